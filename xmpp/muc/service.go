package muc

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// Limits bound what users may make the service hold.
type Limits struct {
	Rooms        int // in all
	Owned        int // rooms that one user may own when making another one
	Joined       int // rooms that one client may be in
	Occupants    int // of one room; also the most that its owner may allow
	Affiliations int // of one room
	History      int // messages of one room
	HistoryBytes int
	Rate         Rate
}

// DefaultLimits are for a company's server.
var DefaultLimits = Limits{
	Rooms: 10000, Owned: 100, Joined: 200, Occupants: 1000, Affiliations: 5000, History: 100, HistoryBytes: 1 << 20,
	Rate: Rate{Burst: 100, PerSecond: 20},
}

// Store keeps persistent rooms, and what was said in rooms that are logged.
type Store interface {
	Rooms(context.Context) ([]uc.Room, error)
	ChangeRooms(context.Context, []uc.RoomChange) error // all or none
	ForgetLostRooms(context.Context) error              // removes the archives of rooms that are not stored
	Archived(context.Context, uc.ArchiveQuery) (uc.ArchivePage, error)
}

// Numbers gives the messages of archives their IDs.
type Numbers interface {
	NewID(room string) (int64, string)       // rising, and the same as occupants are told it
	TextID(room string, id int64) string     // as occupants are told it
	ParseID(room, text string) (int64, bool) // what TextID has made for this room
	Grown(room string, messages int)         // there are more messages in the archive
}

// Config says what the service works with.
type Config struct {
	Domain     string // of the service
	Limits     Limits
	Store      Store
	MayCreate  func(bare string) bool                                 // whether a user may make rooms
	VCard      func(ctx context.Context, bare string) ([]byte, error) // of a user; nil without an error: there is none
	NewID      func() string                                          // an ID that nobody can guess
	OccupantID func(room, bare string) string                         // the same for the same person in a room, and tells nobody else who that is (XEP-0421); nil: there are none
	Numbers    Numbers                                                // nil: nothing that is said is archived
	Held       func(by string, list []Delivery)                       // delivers what had to wait; by is who caused it
	Now        func() time.Time
	Log        *slog.Logger
}

// Service has the rooms of one domain.
type Service struct {
	cfg    Config
	writer *writer

	mu     sync.RWMutex // taken while a room is locked; nothing is locked while it is held
	rooms  map[string]*lockedRoom
	byName []*lockedRoom                  // the same, in order; nil: to be made
	joined map[string]map[string]struct{} // full address → names of rooms
}

// lockedRoom is a room with its lock.
type lockedRoom struct {
	mu     sync.Mutex
	room   *Room
	closed bool // not in the service any more
	held   int  // stanzas of which the deliveries wait in the writer's line

	unread atomic.Bool // the history is still in the archive only
}

// NewService makes a service with the rooms that are stored.
func NewService(ctx context.Context, cfg Config) (*Service, error) {
	s := &Service{cfg: cfg, writer: newWriter(cfg.Store, cfg.Log), rooms: map[string]*lockedRoom{}, joined: map[string]map[string]struct{}{}}
	if err := cfg.Store.ForgetLostRooms(ctx); err != nil {
		return nil, err
	}
	stored, err := cfg.Store.Rooms(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range stored {
		l := &lockedRoom{room: restore(r, cfg.Domain, &s.cfg)}
		l.unread.Store(l.room.logs())
		s.rooms[r.Name] = l
	}
	return s, nil
}

// Run stores what changes until ctx ends. Without it nobody who waits for that goes on.
func (s *Service) Run(ctx context.Context) { s.writer.run(ctx) }

// After calls f when all is stored up to what a stanza with this ticket has changed. If it is already, After
// does nothing and returns false.
func (s *Service) After(ticket uint64, f func()) bool { return s.writer.after(ticket, f) }

// Await waits until all is stored up to what a stanza with this ticket has changed.
func (s *Service) Await(ticket uint64) { s.writer.await(ticket) }

// Sync waits until all that has happened is stored.
func (s *Service) Sync() { s.writer.sync() }

// Domain is the address of the service.
func (s *Service) Domain() string { return s.cfg.Domain }

// Handle handles a stanza of a user that is addressed to the service, or to a room or an occupant of it. It
// hands what follows to deliver, which must not wait, or later to Config.Held. An error is to be told to
// the sender. in.Ticket says when what the stanza has changed is stored.
func (s *Service) Handle(ctx context.Context, in *In, to jid.JID, deliver func(Delivery)) error {
	var err error
	if in.node, err = scan.Parse(in.Raw); err != nil {
		return errBadRequest
	}
	in.Nick = to.Resourcepart()
	if to.Localpart() == "" {
		return s.handleSelf(in, deliver)
	}
	s.writer.breathe()
	for {
		l, err := s.roomOf(in, to.Localpart())
		if l == nil || err != nil {
			return err
		}
		if err := s.prepare(ctx, l, in, to.Localpart()); err != nil {
			return err
		}
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock() // it has gone meanwhile; perhaps there is a new one
			continue
		}
		users, card, err := s.handle(l, in, deliver)
		l.mu.Unlock()
		if in.gone && in.Abroad {
			s.Gone(in.From, deliver)
		}
		if err == nil && card != "" {
			return s.occupantCard(ctx, l.room.occupantAddress(in.Nick), card, in, deliver)
		}
		for _, d := range users {
			deliver(d)
		}
		return err
	}
}

// prepare reads what the room needs for a stanza from the archive.
func (s *Service) prepare(ctx context.Context, l *lockedRoom, in *In, name string) error {
	if in.Head.Kind == scan.Presence && l.unread.Load() {
		if err := s.readHistory(ctx, l); err != nil {
			return err
		}
	}
	id := in.retracts()
	if id == "" || s.cfg.Numbers == nil || !s.Has(name, in.From) {
		return nil
	}
	number, ok := s.cfg.Numbers.ParseID(name, id)
	if !ok {
		return nil
	}
	s.Sync()
	page, err := s.cfg.Store.Archived(ctx, uc.ArchiveQuery{Archive: uc.Archive{Room: name}, IDs: []int64{number}, Max: 1})
	if err == nil && len(page.Messages) > 0 {
		in.target = &page.Messages[0]
	}
	return err
}

// readHistory gets what was said before the server started.
func (s *Service) readHistory(ctx context.Context, l *lockedRoom) error {
	l.mu.Lock()
	name, most := l.room.name, l.room.settings.History
	l.mu.Unlock()
	var page uc.ArchivePage
	if most > 0 {
		var err error
		page, err = s.cfg.Store.Archived(ctx, uc.ArchiveQuery{
			Archive: uc.Archive{Room: name}, Max: most, Bytes: s.cfg.Limits.HistoryBytes, Last: true})
		if err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unread.Swap(false) {
		l.room.recall(page.Messages)
	}
	return nil
}

// Has reports whether a client, by its full address, is in a room.
func (s *Service) Has(name, full string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.joined[full][name]
	return ok
}

// roomOf finds the room of a stanza, or makes it if somebody enters it.
func (s *Service) roomOf(in *In, name string) (*lockedRoom, error) {
	s.mu.RLock()
	l := s.rooms[name]
	s.mu.RUnlock()
	typ := string(in.Head.Type)
	switch {
	case l != nil:
		return l, nil
	case in.Head.Kind == scan.Presence && typ == "" && in.node.Child(NS, "x") != nil:
		return s.create(in, name)
	case typ == "error" || typ == "result" || typ == "unavailable":
		return nil, nil
	}
	return nil, errNotFound
}

// create makes a room that its first occupant owns (XEP-0045 §10.1).
func (s *Service) create(in *In, name string) (*lockedRoom, error) {
	switch {
	case in.Nick == "":
		return nil, errBadAddress
	case !s.cfg.MayCreate(in.Bare):
		return nil, errNotAllowed // §7.2.4
	case s.ownedBy(in.Bare) >= s.cfg.Limits.Owned:
		return nil, errTooMuch
	}
	r := newRoom(name, s.cfg.Domain, s.cfg.Now().UTC(), &s.cfg)
	r.relate(in.Bare, person{affiliation: owner})
	r.locked = true
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.rooms[name]; l != nil {
		return l, nil // somebody else was quicker
	}
	if len(s.rooms) >= s.cfg.Limits.Rooms {
		return nil, errTooMuch
	}
	l := &lockedRoom{room: r}
	s.rooms[name], s.byName = l, nil
	return l, nil
}

// ownedBy counts the rooms that a user owns.
func (s *Service) ownedBy(bare string) int {
	s.mu.RLock()
	list := slices.Collect(maps.Values(s.rooms)) // in no order: who makes rooms all the time need not have them sorted
	s.mu.RUnlock()
	n := 0
	eachOf(slices.Values(list), func(r *Room) {
		if r.affiliation(bare) == owner {
			n++
		}
	})
	return n
}

// eachOf calls f for rooms, with the room's lock held.
func eachOf(rooms iter.Seq[*lockedRoom], f func(*Room)) {
	for l := range rooms {
		l.mu.Lock()
		if !l.closed {
			f(l.room)
		}
		l.mu.Unlock()
	}
}

// all returns the rooms by name. The list is not to be changed.
func (s *Service) all() []*lockedRoom {
	s.mu.RLock()
	list := s.byName
	s.mu.RUnlock()
	if list != nil {
		return list
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list = make([]*lockedRoom, 0, len(s.rooms))
	for _, name := range slices.Sorted(maps.Keys(s.rooms)) {
		list = append(list, s.rooms[name])
	}
	s.byName = list
	return list
}

// handle lets the room handle a stanza; its lock is held. It returns what is for users who are not in the room,
// and whose vCard is asked for, if one is: both may need the store.
func (s *Service) handle(l *lockedRoom, in *In, deliver func(Delivery)) (users []Delivery, card string, err error) {
	r := l.room
	defer s.closeIfEmpty(l)
	if in.Head.Kind == scan.Presence && r.seats[in.From] == nil && s.roomsOf(in.From) >= s.cfg.Limits.Joined {
		return nil, "", errTooMuch
	}
	if in.Head.Kind == scan.IQ && string(in.Head.ChildNS) == nsVCard && string(in.Head.Type) == "get" && in.Nick != "" {
		card, err = s.cardOf(r, in)
		return nil, card, err
	}
	out, err := r.Handle(s.cfg.Now().UTC(), in)
	if err != nil {
		return nil, "", err
	}
	return s.finish(l, out, in, deliver), "", nil
}

// finish lets everybody know, when what has changed is stored. Its lock is held. in is nil if there was no stanza.
func (s *Service) finish(l *lockedRoom, out []Delivery, in *In, deliver func(Delivery)) (users []Delivery) {
	r := l.room
	s.track(r)
	changes := r.changes()
	if r.destroyed {
		s.close(l)
	}
	if len(changes) == 0 && l.held == 0 {
		return handOver(out, deliver)
	}
	l.held++
	by, failed := "", Delivery{}
	if in != nil {
		by, failed = in.Bare, in.failure()
	}
	ticket := s.writer.put(job{changes, func(err error) { s.release(l, by, out, err, failed) }})
	if in != nil {
		in.Ticket = ticket
	}
	return nil
}

// handOver delivers what is for clients and returns what is for users.
func handOver(out []Delivery, deliver func(Delivery)) (users []Delivery) {
	for _, d := range out {
		if d.forUser() {
			users = append(users, d)
		} else {
			deliver(d)
		}
	}
	return users
}

// release delivers what had to wait. Who asked for a change that could not be stored gets an error; it is made
// nevertheless, and stored with the next one.
func (s *Service) release(l *lockedRoom, by string, out []Delivery, err error, failed Delivery) {
	if err != nil && failed.To != nil {
		out = slices.DeleteFunc(out, func(d Delivery) bool { return bytes.HasPrefix(d.Stanza, []byte("<iq ")) })
		out = append(out, failed)
	}
	var clients []Delivery
	users := handOver(out, func(d Delivery) { clients = append(clients, d) })
	l.mu.Lock()
	l.held--
	l.room.unsure = l.room.unsure || err != nil
	s.cfg.Held(by, clients)
	name, added := l.room.name, l.room.added
	l.room.added = 0
	l.mu.Unlock()
	if len(users) > 0 {
		s.cfg.Held(by, users)
	}
	if added > 0 {
		s.cfg.Numbers.Grown(name, added)
	}
}

// track notes which clients are in the room now.
func (s *Service) track(r *Room) {
	if len(r.entered) == 0 && len(r.left) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, full := range r.entered {
		if s.joined[full] == nil {
			s.joined[full] = map[string]struct{}{}
		}
		s.joined[full][r.name] = struct{}{}
	}
	for _, full := range r.left {
		if delete(s.joined[full], r.name); len(s.joined[full]) == 0 {
			delete(s.joined, full)
		}
	}
}

func (s *Service) roomsOf(full string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.joined[full])
}

// closeIfEmpty ends a temporary room that the last one has left.
func (s *Service) closeIfEmpty(l *lockedRoom) {
	if l.closed || !l.room.empty() {
		return
	}
	s.close(l)
	if l.room.archived {
		s.writer.put(job{changes: []uc.RoomChange{{Forget: l.room.name}}})
	}
}

func (s *Service) close(l *lockedRoom) {
	l.closed = true
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rooms, l.room.name)
	s.byName = nil
}

// cardOf finds out whose vCard an occupant asks for.
func (s *Service) cardOf(r *Room, in *In) (bare string, err error) {
	r.begin(s.cfg.Now().UTC())
	to := r.nicks[in.Nick]
	switch {
	case r.seats[in.From] == nil:
		return "", errNotInRoom
	case to == nil:
		return "", errNotFound
	case !r.take(in.Bare):
		return "", errTooFast
	}
	return to.bare, nil
}

// occupantCard answers for an occupant with the vCard of its user, which a client cannot do.
func (s *Service) occupantCard(ctx context.Context, from, bare string, in *In, deliver func(Delivery)) error {
	raw, err := s.cfg.VCard(ctx, bare)
	if err != nil {
		return err
	}
	card := elem(nsVCard, "vCard")
	if n, err := scan.Parse(raw); err == nil {
		card = n
	}
	deliver(Delivery{To: []string{in.From}, Stanza: build("iq", from, "result", string(in.Head.ID), card)})
	return nil
}

// Gone takes a client that is not there any more out of all rooms.
func (s *Service) Gone(full string, deliver func(Delivery)) {
	s.mu.RLock()
	names := slices.Sorted(maps.Keys(s.joined[full]))
	s.mu.RUnlock()
	for _, name := range names {
		s.mu.RLock()
		l := s.rooms[name]
		s.mu.RUnlock()
		if l == nil {
			continue
		}
		l.mu.Lock()
		if !l.closed {
			s.finish(l, l.room.Gone(s.cfg.Now().UTC(), full), nil, deliver) // nothing of it is for users
			s.closeIfEmpty(l)
		}
		l.mu.Unlock()
	}
}

// Rename moves what belongs to a user who is renamed to the new address; without one the user is deleted,
// so that nobody who gets the same name later inherits anything.
func (s *Service) Rename(bare, to string) {
	for _, l := range s.all() {
		s.renameIn(l, bare, to)
	}
}

func (s *Service) renameIn(l *lockedRoom, bare, to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.room
	p, ok := r.people[bare]
	worn, wears := r.hats.Worn[bare]
	if l.closed || !ok && !wears {
		return
	}
	r.begin(s.cfg.Now().UTC())
	r.relate(bare, stranger)
	delete(r.hats.Worn, bare)
	if to != "" && ok {
		r.relate(to, p)
	}
	if to != "" && wears {
		r.hats.Worn[to] = worn
	}
	r.changed, r.rehatted = true, wears
	s.writer.put(job{changes: r.changes(), then: func(err error) {
		if err != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			r.unsure = true
		}
	}})
}

// Shutdown tells all occupants that the service goes down (XEP-0045 §17.3 and status 332). Rooms that are
// not persistent end.
func (s *Service) Shutdown(deliver func(Delivery)) {
	s.Sync()
	for _, l := range s.all() {
		l.mu.Lock()
		r := l.room
		r.begin(s.cfg.Now().UTC())
		r.removeAll(func(o *occupant) announcement {
			return announcement{of: o, leaves: true, codes: []int{statusShutdown}}
		})
		s.track(r)
		for _, d := range r.out {
			deliver(d)
		}
		s.closeIfEmpty(l)
		l.mu.Unlock()
	}
}

// handleSelf answers what is asked of the service itself.
func (s *Service) handleSelf(in *In, deliver func(Delivery)) error {
	typ := string(in.Head.Type)
	p := in.payload()
	if in.Head.Kind != scan.IQ || typ != "get" && typ != "set" || p == nil {
		return nil
	}
	if typ != "get" || in.Nick != "" {
		return errNotImplemented
	}
	var answer *scan.Node
	var err error
	switch p.NS {
	case nsDiscoInfo:
		if p.Attr("node") != "" {
			return errNotFound
		}
		answer = with(elem(nsDiscoInfo, "query"), elem(nsDiscoInfo, "identity", "category", "conference", "type", "text", "name", "Rooms"))
		for _, f := range []string{NS, nsDiscoInfo, nsDiscoItems, nsUnique, nsPing, nsPaging, nsVCard} {
			with(answer, elem(nsDiscoInfo, "feature", "var", f))
		}
	case nsDiscoItems:
		if answer, err = s.listRooms(in.Bare, p.Child(nsPaging, "set")); err != nil {
			return err
		}
	case nsUnique:
		answer = text(nsUnique, "unique", s.cfg.NewID()) // XEP-0307
	case nsPing:
	default:
		return errNotImplemented
	}
	deliver(Delivery{To: []string{in.From}, Stanza: build("iq", s.cfg.Domain, "result", string(in.Head.ID), answer)})
	return nil
}

// maxListed bounds a page of the list of rooms.
const maxListed = 500

// listRooms lists public rooms, and those that the user belongs to, by name (XEP-0045 §6.3); set asks for a page
// (XEP-0059).
func (s *Service) listRooms(bare string, set *scan.Node) (*scan.Node, error) {
	page := paging{most: maxListed}
	if err := page.read(set); err != nil {
		return nil, err
	}
	rooms := s.all()
	eachOf(page.order(rooms), func(r *Room) {
		a := r.affiliation(bare)
		if !r.locked && (r.settings.Public && a != outcast || a >= member) {
			page.add(r.name, func() *scan.Node {
				return elem(nsDiscoItems, "item", "jid", r.address, "name", strings.TrimSpace(r.title()))
			})
		}
	})
	return with(elem(nsDiscoItems, "query"), page.end(set != nil)...), nil
}
