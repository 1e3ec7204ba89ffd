package web

import (
	"net/http"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// sightsPage is what the pages Sees and Seen by get.
type sightsPage struct {
	listPage[uc.Sight]
	By bool // they see the user, not the user them
}

func (q *request) userSees() error {
	return q.sights("/sees", q.web.Sees, false)
}

func (q *request) userSeenBy() error {
	return q.sights("/seen-by", q.web.SeenBy, true)
}

func (q *request) sights(tab string, of func(uc.UserID) []uc.Sight, by bool) error {
	u, err := q.user()
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(of(u.ID), func(s uc.Sight) bool {
		return !q.search(s.Name) && !slices.ContainsFunc(slices.Concat(s.Groups, s.Supervises), func(title string) bool { return q.search(title) })
	})
	return q.showUser(http.StatusOK, "user_sights", tab, nil, sightsPage{listOf(q, list), by})
}

// RolePath is the page of a role, which a sight names by its title; "" if the role has gone meanwhile.
func (p page) RolePath(title string) string {
	for _, r := range p.Dir.Roles.All() {
		if r.Title == title {
			return pathOf("/roles", r.ID)
		}
	}
	return ""
}
