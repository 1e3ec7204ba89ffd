package xmpp

import (
	"fmt"
	"sync"

	"github.com/rolecall/rolecall/internal/uc"
)

// teamState is what is to be seen of a team: it is open while somebody takes its calls.
type teamState struct {
	in, paused, all int // members who take calls, who pause, and all
	waiting         int // calls that nobody has answered yet
}

func teamOf(dir *uc.Directory, id uc.TeamID, waiting int) teamState {
	t := teamState{waiting: waiting}
	for _, m := range dir.TeamMembers(id) {
		t.all++
		switch {
		case m.Active():
			t.in++
		case m.Paused && (m.Static || m.LoggedIn):
			t.paused++
		}
	}
	return t
}

func (t teamState) show() uc.Show {
	if t.in == 0 {
		return uc.ShowXA
	}
	return uc.ShowAvailable
}

func (t teamState) text() string {
	text := fmt.Sprintf("%d of %d members in", t.in, t.all)
	if t.in == 0 {
		text = "Closed, " + text
	}
	if t.paused > 0 {
		text += fmt.Sprintf(", %d paused", t.paused)
	}
	switch {
	case t.waiting == 1:
		text += ", 1 call waits"
	case t.waiting > 1:
		text += fmt.Sprintf(", %d calls wait", t.waiting)
	}
	return text
}

// teamPresence is what the members of a shared group see of a team in it.
func (s *Server) teamPresence(dir *uc.Directory, c contact) []byte {
	t := teamOf(dir, c.team, s.queued.of(c.team))
	e := newElement("presence").attr("from", c.bare)
	appendShow(e, t.show(), t.text())
	e.start("team").attr("xmlns", nsPresence).attr("in", fmt.Sprint(t.in)).attr("paused", fmt.Sprint(t.paused))
	return e.attr("members", fmt.Sprint(t.all)).attr("waiting", fmt.Sprint(t.waiting)).close("team").close("presence").bytes()
}

// tellTeam sends what is to be seen of a team to one client, unless its user has blocked the team.
func (s *Server) tellTeam(b *batch, g *groups, c contact, to *session) {
	if !to.account.blocked.Load().blocks(c.bare, "") {
		b.push(to, s.teamPresence(g.dir, c))
	}
}

// teamAt returns the team that has an address, if the viewer has it among the contacts.
func (s *Server) teamAt(to destination, viewer *account) (contact, bool) {
	if to.account != nil || to.resource {
		return contact{}, false
	}
	g := s.groups.Load()
	c, ok := g.find(to.bare)
	if !ok || c.team == 0 {
		return contact{}, false
	}
	_, ok = g.item(viewer.user, c)
	return c, ok
}

// teamAsked returns the team that an IQ is addressed to, if the sender has it among the contacts.
func (r *request) teamAsked() (contact, bool) { return r.server.teamAt(r.to, r.from.account) }

// changeTeams tells those who see a team what has changed among its members.
func (s *Server) changeTeams(b *batch, before, after *groups, changes []uc.Ref) {
	touched := make(map[uc.TeamID]bool)
	for _, ref := range changes {
		if ref.Kind != uc.KindMember {
			continue
		}
		for _, d := range []*uc.Directory{before.dir, after.dir} {
			if m := d.Members.Get(uc.MemberID(ref.ID)); m != nil {
				touched[m.Team] = true
			}
		}
	}
	for id := range touched {
		s.changeTeam(b, after, id)
	}
}

func (s *Server) changeTeam(b *batch, g *groups, id uc.TeamID) {
	if g.dir.Teams.Get(id) == nil {
		return
	}
	c := g.teamContact(id)
	raw := s.teamPresence(g.dir, c)
	for _, a := range s.teamViewers(g, c) {
		if !a.blocked.Load().blocks(c.bare, "") {
			a.deliverAvailable(b, raw)
		}
	}
}

// teamViewers lists the accounts with sessions that have a team as a contact.
func (s *Server) teamViewers(g *groups, c contact) []*account {
	var list []*account
	seen := make(map[uc.UserID]bool)
	for _, of := range g.ofContact(c) {
		for i := range of.users {
			u := &of.users[i]
			if seen[u.user] {
				continue
			}
			seen[u.user] = true
			if a := s.router.account([]byte(u.bare)); a != nil && len(a.bound()) > 0 {
				list = append(list, a)
			}
		}
	}
	return list
}

// queued counts the calls that wait at teams.
type queued struct {
	mu    sync.Mutex
	calls map[string]uc.TeamID // by call: where it waits
	count map[uc.TeamID]int
}

func (q *queued) of(id uc.TeamID) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count[id]
}

// move notes where a call waits now, 0 for nowhere, and returns where it waited before.
func (q *queued) move(call string, to uc.TeamID) (from uc.TeamID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.calls == nil {
		q.calls, q.count = make(map[string]uc.TeamID), make(map[uc.TeamID]int)
	}
	if from = q.calls[call]; from != 0 {
		q.count[from]--
		delete(q.calls, call)
	}
	if to != 0 {
		q.count[to]++
		q.calls[call] = to
	}
	return from
}

// waitsAt returns the team at which a call waits: the one that it has come to and that nobody has answered for.
func waitsAt(dir *uc.Directory, c uc.Call) uc.TeamID {
	if c.State != uc.CallRouting && c.State != uc.CallRinging {
		return 0
	}
	if n := len(c.Path); n > 0 {
		t, _ := dir.ByExt(c.Path[n-1])
		return t.Team
	}
	return c.Called.Team
}

// changeCall tells those who see a team that more or fewer calls wait.
func (s *Server) changeCall(b *batch, c uc.Call) {
	g := s.groups.Load()
	at := waitsAt(g.dir, c)
	from := s.queued.move(c.ID, at)
	if from == at {
		return
	}
	for _, id := range []uc.TeamID{from, at} {
		if id != 0 {
			s.changeTeam(b, g, id)
		}
	}
}

// recount counts the calls that wait anew, after events were lost.
func (s *Server) recount(b *batch) {
	if s.deps.Phones == nil {
		return
	}
	calls := s.deps.Phones.Calls()
	for _, id := range s.queued.unknown(calls) {
		s.changeCall(b, uc.Call{ID: id, State: uc.CallEnded})
	}
	for _, c := range calls {
		s.changeCall(b, c)
	}
	s.dialled.keep(calls)
}

// unknown lists the calls that wait but are not in the list.
func (q *queued) unknown(calls []uc.Call) []string {
	known := make(map[string]bool, len(calls))
	for i := range calls {
		known[calls[i].ID] = true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var list []string
	for id := range q.calls {
		if !known[id] {
			list = append(list, id)
		}
	}
	return list
}
