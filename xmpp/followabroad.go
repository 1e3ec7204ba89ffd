package xmpp

import (
	"maps"
	"slices"
	"sync"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// followersAbroad are the clients at other domains that may be told what users publish (XEP-0163 §4): those
// that have sent presence, with capabilities, to users whose presence they see. Its lock is a leaf.
type followersAbroad struct {
	mu    sync.Mutex
	all   map[string]*followerAbroad            // by full address
	under map[string]map[string]*followerAbroad // the same by bare, then full address
}

// followerAbroad is one of them. Its session only stands for it.
type followerAbroad struct {
	session *session
	caps    caps
	shown   map[*account]struct{} // whom it has sent its presence to
}

// The limits of what is remembered; clients beyond them are told nothing.
const (
	maxAbroad      = 5000 // clients
	maxAbroadUnder = 20   // of one bare address
)

func newFollowersAbroad() *followersAbroad {
	return &followersAbroad{all: make(map[string]*followerAbroad), under: make(map[string]map[string]*followerAbroad)}
}

// seen takes over presence that a client has sent to a user. If it has told something new of itself, known
// is false; else fresh says that the user has not had its presence before.
func (f *followersAbroad) seen(c *session, by *account, h capsHash) (known, fresh bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.all[c.jid]
	if own == nil {
		if h == (capsHash{}) || len(f.all) >= maxAbroad || len(f.under[c.account.bare]) >= maxAbroadUnder {
			return true, false
		}
		own = &followerAbroad{session: c, shown: make(map[*account]struct{})}
		f.all[c.jid] = own
		if f.under[c.account.bare] == nil {
			f.under[c.account.bare] = make(map[string]*followerAbroad)
		}
		f.under[c.account.bare][c.jid] = own
	}
	_, had := own.shown[by]
	own.shown[by] = struct{}{}
	if h != (capsHash{}) && h != own.caps.now {
		own.caps.now = h
		return false, !had
	}
	return true, !had
}

// gone forgets that a client was seen by a user; nil is for all.
func (f *followersAbroad) gone(full, bare string, by *account) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.all[full]
	if own == nil {
		return
	}
	delete(own.shown, by)
	if by != nil && len(own.shown) > 0 {
		return
	}
	delete(f.all, full)
	if delete(f.under[bare], full); len(f.under[bare]) == 0 {
		delete(f.under, bare)
	}
}

// of calls tell for the clients of an address that a user has had presence from.
func (f *followersAbroad) of(bare string, owner *account, tell func(*session)) {
	f.mu.Lock()
	var list []*session
	for _, own := range f.under[bare] {
		if _, ok := own.shown[owner]; ok {
			list = append(list, own.session)
		}
	}
	f.mu.Unlock()
	for _, c := range list {
		tell(c)
	}
}

// setNotify makes names the nodes that a client wants to be told of, and returns its session and the users
// who have had its presence.
func (f *followersAbroad) setNotify(full string, names []string) (*session, []*account) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.all[full]
	if own == nil {
		return nil, nil
	}
	own.session.notify.Store(&names)
	return own.session, slices.Collect(maps.Keys(own.shown))
}

// toAsk notes that a client is asked what it can do; ok is false while another question to it is open.
func (f *followersAbroad) toAsk(full, id string) (h capsHash, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.all[full]
	if own == nil || own.caps.id != "" {
		return capsHash{}, false
	}
	own.caps.id, own.caps.asked = id, own.caps.now
	return own.caps.asked, true
}

// asked returns what a client was asked about, if id is that of the question, and whether that is still its latest announcement.
func (f *followersAbroad) asked(full, id string) (h capsHash, latest, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.all[full]
	if own == nil || id == "" || own.caps.id != id {
		return capsHash{}, false, false
	}
	own.caps.id = ""
	return own.caps.asked, own.caps.asked == own.caps.now, true
}

// heardAbroad takes over presence that somebody at another domain sends to a user who lets them see theirs:
// the client is told of what the user publishes, if it wants to be (XEP-0163 §4.3).
func (r *request) heardAbroad(by *account) {
	s, c := r.server, r.from
	if c.resource == "" || !s.subscribedTo(by, c.account) {
		return
	}
	if string(r.head.Type) == "unavailable" {
		s.abroad.gone(c.jid, c.account.bare, by)
		return
	}
	var h capsHash
	if n, err := scan.Parse(r.raw); err == nil {
		if announced := n.Child(nsCaps, "c"); announced != nil {
			h = readCaps(announced)
		}
	}
	known, fresh := s.abroad.seen(c, by, h)
	switch {
	case !known:
		s.learnAbroad(r.batch, c.jid, h)
	case fresh:
		s.abroad.of(c.account.bare, by, func(own *session) {
			if names := own.notify.Load(); own.jid == c.jid && names != nil {
				s.tellLastOf(r.batch, by, own, *names)
			}
		})
	}
}

// learnAbroad finds out which events a client at another domain wants: from memory, or by asking it.
func (s *Server) learnAbroad(b *batch, full string, h capsHash) {
	if names, ok := s.caps.get(h.key()); ok {
		s.notifyAbroad(b, full, names)
		return
	}
	id := randomID()
	h, ok := s.abroad.toAsk(full, id)
	if !ok {
		return
	}
	e := newElement("iq").attr("type", "get").attr("id", id).attr("from", s.cfg.Domain).attr("to", full)
	e.start("query").attr("xmlns", nsDiscoInfo).attr("node", h.node+"#"+h.ver).close("query")
	s.carry(full, domainOf([]byte(full)), e.close("iq").bytes())
}

// answeredAbroad takes the answer. It is believed and remembered like that of a local client.
func (r *request) answeredAbroad() {
	s, full := r.server, r.from.jid
	h, latest, ok := s.abroad.asked(full, string(r.head.ID))
	if !ok {
		return
	}
	var names []string
	believed := false
	if string(r.head.Type) == "result" {
		if query, err := r.payload(); err == nil && query.NS == nsDiscoInfo {
			if names, believed = verifyCaps(h, query); believed {
				s.caps.put(h.key(), names)
			}
		}
	}
	switch {
	case !latest: // it has announced something else meanwhile
		if now, ok := s.abroad.announced(full); ok {
			s.learnAbroad(r.batch, full, now)
		}
	case believed:
		s.notifyAbroad(r.batch, full, names)
	}
}

// announced returns what a client has announced last.
func (f *followersAbroad) announced(full string) (capsHash, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.all[full]
	if own == nil {
		return capsHash{}, false
	}
	return own.caps.now, true
}

// notifyAbroad makes names the nodes that a client is told of, and sends the newest items of those whose presence it sees.
func (s *Server) notifyAbroad(b *batch, full string, names []string) {
	c, owners := s.abroad.setNotify(full, names)
	for _, owner := range owners {
		s.tellLastOf(b, owner, c, names)
	}
}
