package graph

import (
	"cmp"
	"strings"
	"time"
)

// sequenceLife is for how long a sequence number holds back older ones. If Graph has said nothing as
// new for so long, what it says now is the truth, whatever number it bears.
const sequenceLife = 10 * time.Minute

// sequences remembers the newest sequence number of each user, so that an answer that was overtaken
// by another one (from a lagging replica of Graph) is not taken for news.
type sequences map[string]sequence // by object id

type sequence struct {
	number string
	at     time.Time // when Graph last said it
}

// fresh reports whether an answer is as new as the last one of that user. One without a number is.
func (s sequences) fresh(id, number string, now time.Time) bool {
	if number == "" {
		return true
	}
	last, known := s[id]
	if known && olderThan(number, last.number) && now.Sub(last.at) < sequenceLife {
		return false
	}
	s[id] = sequence{number, now}
	return true
}

// olderThan compares two stamps as Graph says they sort, as text; two plain numbers of different
// length as numbers.
func olderThan(a, b string) bool {
	if number(a) && number(b) {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) < 0
	}
	return a < b
}

func number(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
