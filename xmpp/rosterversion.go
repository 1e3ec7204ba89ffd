package xmpp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"

	"github.com/rolecall/rolecall/internal/uc"
)

const nsRosterVersion = "urn:xmpp:features:rosterver"

// unversioned is the version that a push has while changes of shared groups are being pushed: a client that
// leaves with it, after whichever push, has not heard all, and is sent the whole roster when it comes back. No
// other version is ever told of a roster that is not whole, so it need not be told apart (TestMidway).
const unversioned = "incomplete"

// rosterVersion names the state of a user's roster, of the user's own contacts and of the computed ones
// (RFC 6121 §2.6). It is made from what is in it, so that nothing has to be counted or stored. A shared
// group is summed up once for all its members. rosterMu is held.
func (s *Server) rosterVersion(a *account, g *groups) string {
	s.rosterOrNone(a)
	h := sha256.New()
	h.Write(a.tally.sum[:])
	for _, of := range g.ofUser(a.user) {
		h.Write(of.digest())
	}
	h.Write([]byte("supervised")) // the same people under the same title, but with another subscription
	for _, of := range g.supervisedBy(a.user) {
		h.Write(of.digest())
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// tally is what is counted of the user's own roster at each change, so that no change costs as much as the roster is long.
type tally struct {
	listed   int               // contacts
	unlisted int               // others who wait for an answer
	requests int               // contacts and others who do
	sum      [sha256.Size]byte // the hashes of the contacts as they are shown, one laid over the other by XOR
}

// add counts an item, or no more if by is -1.
func (t *tally) add(it *uc.RosterItem, by int) {
	if it.PendingIn != nil {
		t.requests += by
	}
	if it.Subscription == "" {
		t.unlisted += by
		return
	}
	t.listed += by
	var e element
	appendItem(&e, mergedItem(it, nil))
	sum := sha256.Sum256(e.b)
	subtle.XORBytes(t.sum[:], t.sum[:], sum[:])
}

// digest sums up a group's title and members.
func (g *group) digest() []byte {
	g.summing.Do(func() {
		h := sha256.New()
		e := newElement("group").attr("name", g.role.Title)
		for _, list := range [...][]contact{g.users, g.teams} {
			for _, c := range list {
				e.start("item").attr("jid", c.bare).attr("name", c.name).close("item")
				h.Write(e.b)
				e.b = e.b[:0]
			}
		}
		h.Write(e.b)
		g.sum = h.Sum(nil)
	})
	return g.sum
}

// pushVersion is the version that the clients have after a push. rosterMu is held.
func (s *Server) pushVersion(a *account) string {
	g := s.groups.Load()
	if !g.settled.Load() {
		return unversioned
	}
	return s.rosterVersion(a, g)
}
