package xmpp

import (
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// supervisedTitle is the group of the roster in which supervisors find whom they supervise.
const supervisedTitle = "Supervised"

// supervision says who supervises whom in one directory snapshot. A supervisor sees the presence of the
// supervised without their consent, with details, and although they may have blocked the supervisor; they
// see no more of the supervisor than before.
type supervision struct {
	posts  []*group             // the roles of type xmpp.supervisor with those who hold them, by ascending role
	scopes map[uc.RoleID]*group // who is in the roles that posts are narrowed to; 0 is everybody
}

// supervise finds the posts and their scopes; contacts that were not touched are taken from the old ones.
func (g *groups) supervise(old supervision, touched map[uc.Ref]bool) supervision {
	v := supervision{scopes: make(map[uc.RoleID]*group)}
	var ids []uc.RoleID
	for id, role := range g.dir.Roles.All() {
		if slices.Contains(role.Types, uc.TypeSupervisor) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		role := g.dir.Roles.Get(id)
		v.posts = append(v.posts, &group{role: role, users: g.usersOf(role, old.post(id), touched)})
		for _, of := range scopesOf(role) {
			if v.scopes[of] == nil {
				v.scopes[of] = g.scope(of, old.scopes[of], touched)
			}
		}
	}
	return v
}

// scopesOf lists the roles that a post is narrowed to, or 0 for everybody.
func scopesOf(post *uc.Role) []uc.RoleID {
	if len(post.Supervises) == 0 {
		return []uc.RoleID{0}
	}
	return post.Supervises
}

func (g *groups) scope(id uc.RoleID, old *group, touched map[uc.Ref]bool) *group {
	role := g.dir.Roles.Get(id)
	if id == 0 {
		role = &uc.Role{AutoUsers: true}
	}
	if role == nil {
		role = &uc.Role{} // it is gone, and with it everybody in it
	}
	return &group{role: &uc.Role{Title: supervisedTitle}, users: g.usersOf(role, old, touched)}
}

func (v *supervision) post(id uc.RoleID) *group {
	for _, p := range v.posts {
		if p.role.ID == id {
			return p
		}
	}
	return nil
}

// supervises reports whether one user supervises another.
func (g *groups) supervises(who, whom uc.UserID) bool {
	return who != whom && len(g.supervision.posts) > 0 && g.dir.MaySupervise(who, whom)
}

// supervisedBy lists the sets of people whom a user supervises.
func (g *groups) supervisedBy(id uc.UserID) []*group {
	var list []*group
	for _, p := range g.supervision.posts {
		if !p.has(id) {
			continue
		}
		for _, of := range scopesOf(p.role) {
			if scope := g.supervision.scopes[of]; !slices.Contains(list, scope) {
				list = append(list, scope)
			}
		}
	}
	return list
}

// postsOver lists the posts whose holders supervise a user, by ascending role.
func (g *groups) postsOver(id uc.UserID) []*group {
	var list []*group
	for _, p := range g.supervision.posts {
		if slices.ContainsFunc(scopesOf(p.role), func(of uc.RoleID) bool { return g.supervision.scopes[of].has(id) }) {
			list = append(list, p)
		}
	}
	return list
}

// details reports whether a viewer may know why a user is busy, and with whom.
func (g *groups) details(viewer, target uc.UserID) bool {
	return viewer == target || g.informed(viewer) || g.supervises(viewer, target)
}

// informed reports whether a user may know the details of whomever they see.
func (g *groups) informed(id uc.UserID) bool { return g.dir.HasType(id, uc.TypePresenceDetails) }
