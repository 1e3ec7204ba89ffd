package graph

import "strings"

// strangers counts how often in a row Graph did not know an account: it calls the presence of a deleted
// or invented object id unknown, or leaves it out of the answer.
type strangers map[string]int // by object id

// strangeAfter is how often it takes; less may be a hiccup.
const strangeAfter = 3

func (s strangers) note(id string, known bool) {
	if known {
		delete(s, id)
	} else {
		s[id]++
	}
}

// list names those whom Graph does not know.
func (s strangers) list() []string {
	var ids []string
	for id, n := range s {
		if n >= strangeAfter {
			ids = append(ids, id)
		}
	}
	return ids
}

// unknown reports whether Graph says that it does not know. Its documentation spells the word in two ways.
func (a *answer) unknown() bool {
	const word = "PresenceUnknown"
	return strings.EqualFold(a.availability, word) && strings.EqualFold(a.activity, word)
}
