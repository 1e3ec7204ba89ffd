package xmpp

import (
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// Subscriptions lists the users of this server whose presence a user has subscribed to, and those who have
// subscribed to the user's.
func (s *Server) Subscriptions(user uc.UserID) (to, from []uc.UserID) {
	a := s.accountByID(user)
	if a == nil {
		return nil, nil
	}
	for _, bare := range s.subscribedTos(a) {
		if other := s.accountByLogin(s.loginOf(bare)); other != nil && s.subscribedTo(other, a) {
			to = append(to, other.user)
		}
	}
	for _, bare := range s.subscribedFrom(a) {
		if other := s.accountByLogin(s.loginOf(bare)); other != nil {
			from = append(from, other.user)
		}
	}
	return to, from
}

// whoSees lets the user ask whom they see, or who sees them, and why.
func whoSees(*call) (*page, error) {
	which := field{typ: "list-single", name: "which", label: "Show", required: true, values: []string{"seen-by"},
		options: []option{{"seen-by", "who sees me"}, {"sees", "whom I see"}}}
	return &page{last: true, next: showSights, form: &form{title: "Who sees whom", fields: []field{which}}}, nil
}

func showSights(c *call, in values) (*page, error) {
	to, from := c.server.Subscriptions(c.user.ID)
	var list []uc.Sight
	switch in.one("which") {
	case "sees":
		list = c.dir.Sees(c.user.ID, to)
	case "seen-by":
		list = c.dir.SeenBy(c.user.ID, from)
	default:
		return nil, badCommand("bad-payload")
	}
	if len(list) == 0 {
		return &page{note: "Nobody."}, nil
	}
	f := &form{title: "Who sees whom", columns: []field{{name: "name", label: "Who"}, {name: "why", label: "Because of"}, {name: "details", label: "Sees why somebody is busy"}}}
	var lines []string
	for _, s := range list {
		details := "no"
		if s.Details {
			details = "yes"
		}
		f.items = append(f.items, []string{s.Name, sightInWords(s), details})
		if len(lines) < maxListed {
			lines = append(lines, s.Name+": "+sightInWords(s))
		}
	}
	return &page{note: strings.Join(lines, "\n"), form: f}, nil
}

func sightInWords(s uc.Sight) string {
	var parts []string
	for _, title := range s.Groups {
		parts = append(parts, "role "+title)
	}
	for _, title := range s.Supervises {
		parts = append(parts, "supervision by role "+title)
	}
	if s.Subscribed {
		parts = append(parts, "subscription")
	}
	return strings.Join(parts, ", ")
}
