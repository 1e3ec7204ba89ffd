package xmpp

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// A stock client can say that its user does not want to be disturbed, and if the user has it so, that
// switches to the profile DND until the client says something else or goes. Only the client's own wish
// counts, not an echo: clients may show, and send, what the server or another client of the user has
// said. So "do not disturb" counts if it is said while neither the server nor another client says it,
// nor shortly after the server did. What somebody chooses meanwhile stays.

const (
	echoTime   = 5 * time.Second // after the server's own "do not disturb", in which a client's is an echo
	dndPause   = 3 * time.Second // least time between two switches of one user
	dndVia     = "client "       // begins Actor.Via of a client's choice
	dndWorkers = 16
)

// dndWish is what a client wants; under account.presenceMu.
type dndWish struct {
	meant   bool // it says "do not disturb", and that counts
	carried bool // and was carried out, or came too late
}

// dndSwitch carries out what clients want, beside the goroutines that read from them.
type dndSwitch struct {
	server *Server
	slots  chan struct{} // one for each switch that goes on

	mu    sync.Mutex
	again map[*account]bool // of those who are looked at: something has changed since
}

func newDNDSwitch(s *Server) *dndSwitch {
	return &dndSwitch{server: s, slots: make(chan struct{}, dndWorkers), again: make(map[*account]bool)}
}

// noteDND takes a client's new presence; called with presenceMu held, before c.presence is replaced. It
// reports whether the user's profile has to be looked at.
func (s *Server) noteDND(c *session, show uc.Show, initial bool, now time.Time) bool {
	a := c.account
	was := !initial && c.presence.show == uc.ShowDND
	switch {
	case show != uc.ShowDND:
		c.wish = dndWish{}
	case was:
		return false // it goes on
	default:
		c.wish = dndWish{meant: !a.echoes(c, now)}
	}
	if was || show == uc.ShowDND {
		return true
	}
	return initial && s.choseClient(a)
}

// echoes reports whether "do not disturb" of a client may be what the server or another client has said.
func (a *account) echoes(c *session, now time.Time) bool {
	if a.overlay.full.floor.Show == uc.ShowDND || now.Before(a.echo) {
		return true
	}
	for _, other := range a.bound() {
		if other != c && other.available.Load() && other.presence.show == uc.ShowDND {
			return true
		}
	}
	return false
}

// choseClient reports whether the profile in effect was chosen by a client's "do not disturb".
func (s *Server) choseClient(a *account) bool {
	_, chosen := clientOf(s.deps.Profiles.State(a.user))
	return chosen
}

// clientOf returns the resource whose "do not disturb" is the base of a user's profile.
func clientOf(st uc.ProfileState) (resource string, ok bool) {
	b := st.Base
	if b.Profile != uc.ProfileDND || b.Cause.Kind != uc.CauseHand || b.Before == nil {
		return "", false
	}
	return strings.CutPrefix(b.Cause.By.Via, dndVia)
}

// changed has a user looked at soon.
func (d *dndSwitch) changed(a *account) {
	if d.server.stopped.Load() {
		return // the clients go because the server does
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, working := d.again[a]; working {
		d.again[a] = true
		return
	}
	d.again[a] = false
	d.server.workers.Go(func() { d.work(a) })
}

// work looks at a user until there is nothing new, with a pause after each switch.
func (d *dndSwitch) work(a *account) {
	for {
		switched := d.look(a)
		if switched {
			select {
			case <-time.After(dndPause):
			case <-d.server.ctx.Done():
				return
			}
		}
		d.mu.Lock()
		over := !d.again[a] && !switched || d.server.ctx.Err() != nil
		d.again[a] = false
		if over {
			delete(d.again, a)
		}
		d.mu.Unlock()
		if over {
			return
		}
	}
}

// look brings a user's profile in line with what the clients want, and reports whether it was switched.
func (d *dndSwitch) look(a *account) bool {
	s := d.server
	u := s.deps.Directory.Snapshot().Users.Get(a.user)
	if u == nil || s.stopped.Load() {
		return false
	}
	d.slots <- struct{}{}
	defer func() { <-d.slots }()
	st := s.deps.Profiles.State(a.user)
	holder, held := clientOf(st)
	wants, holds := a.wishes(holder)
	var err error
	switch {
	case held && !holds:
		_, err = s.deps.Profiles.Release(s.ctx, a.user, clientActor(u, holder))
	case u.ClientDND && wants != "" && st.Effective != uc.ProfileDND && !held:
		_, err = s.deps.Profiles.Switch(s.ctx, uc.SwitchRequest{User: a.user, Profile: uc.ProfileDND, By: clientActor(u, wants), Held: true})
	default:
		return false
	}
	if err != nil && !errors.Is(err, uc.ErrConflict) {
		s.log.Warn("xmpp: the profile does not follow a client", "user", a.bare, "cause", err)
	}
	return true
}

func clientActor(u *uc.User, resource string) uc.Actor {
	return uc.Actor{User: u.ID, Name: u.Login, Via: dndVia + resource}
}

// wishes returns the first client that wants DND anew, and whether the one that has it still does. A wish
// is asked for once: what is chosen later is not overridden by it.
func (a *account) wishes(holder string) (wants string, holds bool) {
	a.presenceMu.Lock()
	defer a.presenceMu.Unlock()
	for _, c := range a.bound() {
		if !c.available.Load() || c.presence.show != uc.ShowDND {
			continue
		}
		holds = holds || c.resource == holder
		if c.wish.meant && !c.wish.carried && wants == "" {
			wants = c.resource
			c.wish.carried = true
		}
	}
	return wants, holds
}
