package xmpp

import (
	"cmp"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// title names a form, with whom it is about if that is not the user.
func (c *call) title(text string) string {
	if c.whom.ID == c.user.ID {
		return text
	}
	return text + " of " + cmp.Or(c.whom.Name, c.whom.Login)
}

func supervises(c *call) bool { return c.dir.HasType(c.user.ID, uc.TypeSupervisor) }

// superviseOne reports whether the user may steer somebody.
func superviseOne(c *call, whom uc.UserID) bool { return c.dir.MaySupervise(c.user.ID, whom) }

// superviseAgent is superviseOne for somebody who is in a team.
func superviseAgent(c *call, whom uc.UserID) bool {
	return superviseOne(c, whom) && len(c.dir.Memberships(whom)) > 0
}

// redirects reports whether the user may set forwardings of others.
func redirects(c *call) bool { return supervises(c) || c.dir.HasType(c.user.ID, uc.TypeRedirectGroup) }

func redirectOne(c *call, whom uc.UserID) bool {
	return superviseOne(c, whom) || c.dir.HasType(c.user.ID, uc.TypeRedirectGroup)
}

// maxListed is how many people a form lists before it asks for a login name instead.
const maxListed = 200

// ofOther makes a command about somebody whom the user chooses first, among those whom the user may steer.
func ofOther(title string, may func(*call, uc.UserID) bool, begin func(*call) (*page, error)) func(*call) (*page, error) {
	return func(c *call) (*page, error) {
		who := field{typ: "list-single", name: "user", label: "Who", required: true}
		for id, u := range c.dir.Users.All() {
			if id != c.user.ID && may(c, id) {
				who.options = append(who.options, option{u.Login, cmp.Or(u.Name, u.Login)})
			}
		}
		slices.SortFunc(who.options, func(a, b option) int { return cmp.Or(cmp.Compare(a.label, b.label), cmp.Compare(a.value, b.value)) })
		if len(who.options) == 0 {
			return &page{note: "There is nobody for whom you can do this."}, nil
		}
		if len(who.options) > maxListed {
			who.typ, who.label, who.options = "text-single", "Login name", nil
		}
		return &page{form: &form{title: title, fields: []field{who}}, next: func(c *call, in values) (*page, error) {
			whom := c.dir.UserByLogin(in.one("user"))
			if whom == nil {
				return nil, errForbidden // the same for somebody else's people and for nobody
			}
			return forOther(c, whom.ID, may, begin)
		}}, nil
	}
}

// forOther takes a step of a command for somebody else. Whether the user may is asked anew at every step.
func forOther(c *call, whom uc.UserID, may func(*call, uc.UserID) bool, step func(*call) (*page, error)) (*page, error) {
	u := c.dir.Users.Get(whom)
	if u == nil || whom == c.user.ID || !may(c, whom) {
		return nil, errForbidden
	}
	c.whom = u
	p, err := step(c)
	if err != nil || p.next == nil {
		return p, err
	}
	next := p.next
	p.next = func(c *call, in values) (*page, error) {
		return forOther(c, whom, may, func(c *call) (*page, error) { return next(c, in) })
	}
	return p, nil
}
