package xmpp

import (
	"bytes"
	"strconv"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// nsProfiles is the node, and the namespace of its one item, that lists the client profiles offered to a
// user and says which one is in effect. The server alone publishes to it; nobody but the user may read it.
const nsProfiles = "urn:rolecall:profiles:0"

// madeItem is the ID of the one item of a node that the server makes (XEP-0152 §3, XEP-0292 §3).
const madeItem = "current"

// profileList makes the item's payload.
func (s *Server) profileList(a *account) []byte {
	dir, state := s.deps.Directory.Snapshot(), s.deps.Profiles.State(a.user)
	e := newElement("profiles").attr("xmlns", nsProfiles).attr("active", strconv.FormatInt(int64(state.Effective), 10)).attrIf("reason", state.Reason)
	if !state.Since.IsZero() {
		e.attr("since", state.Since.UTC().Format(time.RFC3339))
	}
	for _, p := range dir.Offered(a.user) {
		e.start("profile").attr("id", strconv.FormatInt(int64(p.ID), 10)).attr("name", p.Name).attrIf("color", p.Color)
		if p.IconVisible {
			e.attrIf("icon", p.Icon)
		}
		e.attr("show", p.Show.String()).attrIf("status", p.Text)
		if p.Sticky {
			e.attr("sticky", "true")
		}
		e.close("profile")
	}
	return e.close("profiles").bytes()
}

func profilesEvent(list []byte) []byte {
	e := newElement("event").attr("xmlns", nsPubsubEvent).start("items").attr("node", nsProfiles)
	appendPubsubItem(e, madeItem, "", list)
	return e.close("items").close("event").bytes()
}

// tellProfiles sends the list to the user's clients that want it, if it has changed.
func (s *Server) tellProfiles(b *batch, a *account) {
	var to []*session
	for _, c := range a.bound() {
		if c.available.Load() && c.wants(nsProfiles) {
			to = append(to, c)
		}
	}
	if len(to) == 0 {
		return
	}
	a.pep.mu.Lock()
	defer a.pep.mu.Unlock()
	list := s.profileList(a)
	if bytes.Equal(list, a.pep.profilesTold) {
		return
	}
	a.pep.profilesTold = list
	for _, c := range to {
		b.tellEvent(a, c, profilesEvent(list))
	}
}

// tellProfilesTo sends the list to one client that has come, if it wants it.
func (s *Server) tellProfilesTo(b *batch, c *session, names []string) {
	for _, name := range names {
		if name != nsProfiles {
			continue
		}
		a := c.account
		a.pep.mu.Lock()
		defer a.pep.mu.Unlock()
		a.pep.profilesTold = s.profileList(a)
		b.tellEvent(a, c, profilesEvent(a.pep.profilesTold))
		return
	}
}

// changeProfiles tells those who are offered other profiles after a change of the directory.
func (s *Server) changeProfiles(b *batch, changes []uc.Ref) {
	for _, ref := range changes {
		switch ref.Kind {
		case uc.KindProfile, uc.KindRole, uc.KindUser:
			for _, a := range s.router.allAccounts() {
				s.tellProfiles(b, a)
			}
			return
		}
	}
}
