package xmpp

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// nsReach is the node that tells where a person can be reached now (XEP-0152). The server keeps it for every
// user with an extension; those who see the user's presence may read it.
//
// It has the extension and nothing else, since that is what colleagues may know: where calls to it go, to a
// workplace, a mobile or another person, is the server's business, so that no private number is told. Without a
// telephone or a forwarding that takes calls it is empty.
const nsReach = "urn:xmpp:reach:0"

// serverNode reports whether the server alone publishes to a node.
func serverNode(node string) bool { return node == nsProfiles || node == nsReach }

// reach makes the item's payload (XEP-0152 §2).
func (s *Server) reach(a *account) []byte {
	dir := s.groups.Load().dir
	e := newElement("reach").attr("xmlns", nsReach)
	u := dir.Users.Get(a.user)
	if u == nil || u.Ext == "" || !s.takesCalls(dir, a) {
		return e.close("reach").bytes()
	}
	desc := "Extension " + u.Ext
	if at := dir.Locations.Get(dir.State(a.user).Workplace); at != nil {
		desc += ", at " + at.Name
	}
	e.start("addr").attr("uri", "sip:"+u.Ext+"@"+s.cfg.Domain)
	e.start("desc").attr("xml:lang", "en").chars(desc).close("desc")
	return e.close("addr").close("reach").bytes()
}

// takesCalls reports whether a call to the user's extension rings anywhere.
func (s *Server) takesCalls(dir *uc.Directory, a *account) bool {
	p := s.deps.Presences.Get(a.user)
	return cmp.Or(p.Phone, uc.PhoneUnreachable) != uc.PhoneUnreachable || slices.ContainsFunc(dir.UserForwardings(a.user), func(f *uc.Forwarding) bool {
		return f.Active && (f.Kind == uc.ForwardAlways || f.Kind == uc.ForwardUnreachable)
	})
}

// mayReadReach reports whether a client may read where a user can be reached: those who see the user's presence may.
func (s *Server) mayReadReach(owner *account, c *session) bool {
	return c.account == owner || s.sees(c.account, owner) && !parted(owner, c)
}

func hasAddress(reach []byte) bool { return bytes.Contains(reach, []byte("<addr")) }

func reachEvent(payload []byte) []byte {
	e := newElement("event").attr("xmlns", nsPubsubEvent).start("items").attr("node", nsReach)
	appendPubsubItem(e, madeItem, "", payload)
	return e.close("items").close("event").bytes()
}

// changeReach tells those who see a user and want to know where the user can be reached now, if it is new.
func (s *Server) changeReach(b *batch, a *account) {
	now := s.reach(a)
	a.reachMu.Lock()
	defer a.reachMu.Unlock()
	if bytes.Equal(now, a.reachTold) || a.reachTold == nil && !hasAddress(now) {
		return
	}
	a.reachTold = now
	s.watchers(a, func(c *session, _ bool) {
		if c.wants(nsReach) && !parted(a, c) {
			b.tellEvent(a, c, reachEvent(now))
		}
	})
}

// tellReachTo sends a client where a user can be reached, if it wants to know and there is something to tell.
func (s *Server) tellReachTo(b *batch, a *account, c *session, names []string) {
	if !slices.Contains(names, nsReach) || parted(a, c) {
		return
	}
	if payload := s.reach(a); hasAddress(payload) {
		b.tellEvent(a, c, reachEvent(payload))
	}
}

// reachTouched lists the users of whom a change of the directory may change where they can be reached.
func reachTouched(before, after *uc.Directory, changes []uc.Ref) []uc.UserID {
	var list []uc.UserID
	for _, ref := range changes {
		switch ref.Kind {
		case uc.KindUser, uc.KindUserState:
			list = append(list, uc.UserID(ref.ID))
		case uc.KindForwarding:
			for _, d := range []*uc.Directory{before, after} {
				if f := d.Forwardings.Get(uc.ForwardingID(ref.ID)); f != nil {
					list = append(list, f.User)
				}
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
