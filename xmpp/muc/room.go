package muc

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// Room is one room with its occupants. The same stanzas at the same times always have the same effect,
// apart from the IDs that newID gives to messages.
type Room struct {
	name    string // localpart
	address string // bare
	created time.Time
	limits  *Limits
	newID   func() string
	numbers Numbers                        // nil: nothing is archived
	nameOf  func(room, bare string) string // see Config.OccupantID

	settings uc.RoomSettings
	subject  uc.RoomSubject
	people   map[string]person // by bare address; affiliations other than none; relate changes it
	reserved map[string]string // the key of each reserved nick (see nickKey) → whose it is, by bare address
	hats     uc.RoomHats
	card     []byte   // vCard; nil: none
	photos   []string // hashes of the pictures of it
	kept     bool     // in the store
	unsure   bool     // a change of it could not be stored
	archived bool     // something may be in the archive
	locked   bool     // until its owner has configured it (XEP-0045 §10.1.1), or see accepted
	asked    bool     // its owner has asked for the form

	nicks   map[string]*occupant
	seats   map[string]*seat // by full address
	order   []*occupant      // as they came
	history []remembered
	weight  int               // bytes of history
	invited map[string]string // whom an occupant has invited → who that was
	rates   map[string]bucket // by bare address
	last    uint64            // number of the last seat

	// What the stanza being handled has led to.
	now       time.Time
	out       []Delivery
	changed   bool            // in what is stored
	regrouped map[string]bool // the same: whose relation to the room, by bare address
	recarded  bool            // the same: the vCard
	rehatted  bool            // the same: the hats, or who wears them
	said      []uc.RoomChange // of the archive
	destroyed bool
	entered   []string // full addresses
	left      []string

	added int // messages put into the archive since it was told that it has grown
}

// person is what lasts of somebody's relation to the room.
type person struct {
	affiliation  affiliation
	nick, reason string
}

// occupant is somebody in the room under a nick, with one or more clients of the same user.
type occupant struct {
	nick     string
	key      string // see nickKey
	bare     string
	role     role
	seats    []*seat
	presence []*scan.Node // what the client says of itself
	unseen   bool         // others are not told of its presence

	open, closed []byte // the presence as others see it: with the real address, and without; nil: to be made
}

// seat is one client of an occupant.
type seat struct {
	full     string
	occupant *occupant
	number   uint64 // tells the seats of an occupant apart in IQs
}

func newRoom(name, domain string, now time.Time, cfg *Config) *Room {
	return &Room{
		name: name, address: name + "@" + domain, created: now, limits: &cfg.Limits, newID: cfg.NewID, numbers: cfg.Numbers, nameOf: cfg.OccupantID,
		settings: defaultSettings(&cfg.Limits, cfg.Numbers != nil), people: map[string]person{}, reserved: map[string]string{}, nicks: map[string]*occupant{},
		seats: map[string]*seat{}, invited: map[string]string{}, rates: map[string]bucket{},
	}
}

// restore makes a room of what was stored of it.
func restore(stored uc.Room, domain string, cfg *Config) *Room {
	r := newRoom(stored.Name, domain, stored.Created, cfg)
	r.settings, r.subject, r.kept, r.archived = stored.Settings, stored.Subject, true, true
	r.hats, r.card = stored.Hats, stored.Card
	if n, err := scan.Parse(r.card); err == nil {
		r.photos, _ = photosOf(n) // it was checked when it was set
	}
	for _, m := range stored.Members {
		if a, ok := affiliationOf(m.Affiliation); ok {
			r.relate(m.JID, person{a, m.Nick, m.Reason})
		}
	}
	return r
}

// stored returns what is to be kept of the room, but for its members and hats.
func (r *Room) stored() uc.Room {
	return uc.Room{Name: r.name, Created: r.created, Settings: r.settings, Subject: r.subject, Card: r.card}
}

func (r *Room) storedHats() uc.RoomHats {
	return uc.RoomHats{List: slices.Clone(r.hats.List), Worn: maps.Clone(r.hats.Worn)}
}

// storedMembers returns what is to be kept of some people's relation to the room. Of those who have none any more, only
// the address is set.
func (r *Room) storedMembers(bares iter.Seq[string]) (list []uc.RoomMember) {
	for _, bare := range slices.Sorted(bares) {
		m := uc.RoomMember{JID: bare}
		if p, ok := r.people[bare]; ok {
			m.Affiliation, m.Nick, m.Reason = p.affiliation.String(), p.nick, p.reason
		}
		list = append(list, m)
	}
	return list
}

// stranger has no relation to a room.
var stranger = person{affiliation: unaffiliated}

// relate makes p somebody's relation to the room.
func (r *Room) relate(bare string, p person) {
	was, ok := r.people[bare]
	if !ok {
		was = stranger
	}
	if p == was {
		return
	}
	if was.nick != "" {
		if key := nickKey(was.nick); r.reserved[key] == bare {
			delete(r.reserved, key)
		}
	}
	if p == stranger {
		delete(r.people, bare)
	} else if r.people[bare] = p; p.nick != "" {
		r.reserved[nickKey(p.nick)] = bare
	}
	if r.regrouped == nil {
		r.regrouped = map[string]bool{}
	}
	r.changed, r.regrouped[bare] = true, true
}

// changes returns what is to be stored of what the stanza has led to.
func (r *Room) changes() []uc.RoomChange {
	list := r.said
	switch {
	case r.destroyed:
		c := uc.RoomChange{Delete: r.name}
		if r.archived {
			c.Forget = r.name
		}
		if r.kept || r.archived {
			list = append(list, c)
		}
	case !r.changed || r.locked:
	case r.settings.Persistent:
		now := r.stored()
		whole := !r.kept || r.unsure
		c := uc.RoomChange{Put: &now, Members: whole, Card: r.recarded || whole, Hats: r.rehatted || whole}
		if c.Hats {
			now.Hats = r.storedHats()
		}
		if whole {
			now.Members = r.storedMembers(maps.Keys(r.people))
		} else {
			c.Changed = r.storedMembers(maps.Keys(r.regrouped))
		}
		list = append(list, c)
		r.kept, r.unsure = true, false
	case r.kept:
		list = append(list, uc.RoomChange{Delete: r.name})
		r.kept = false
	}
	return list
}

// begin forgets what the stanza before has led to.
func (r *Room) begin(now time.Time) {
	r.now, r.out, r.said, r.entered, r.left = now, nil, nil, nil, nil
	r.changed, r.regrouped, r.recarded, r.rehatted = false, nil, false, false
}

// Handle handles a stanza and returns what it leads to. After an error nothing has changed, and the
// sender is to be told it.
func (r *Room) Handle(now time.Time, in *In) ([]Delivery, error) {
	r.begin(now)
	if r.now.Sub(r.created) >= lockLife {
		r.accepted()
	}
	var err error
	switch in.Head.Kind {
	case scan.Presence:
		err = r.onPresence(in)
	case scan.Message:
		err = r.onMessage(in)
	case scan.IQ:
		err = r.onIQ(in)
	}
	return r.out, err
}

// lockLife is how long a new room waits for its owner to ask for the form.
const lockLife = 30 * time.Second

// accepted opens a new room as it is proposed, unless its owner is about to configure it. Some clients (Dino, go-sendxmpp)
// make a room by entering and never say that they accept the defaults (§10.1.2): nobody else could ever enter.
func (r *Room) accepted() {
	r.locked = r.locked && r.asked
}

// Gone takes a client out of the room that is not there any more (XEP-0045 §7.14).
func (r *Room) Gone(now time.Time, full string) []Delivery {
	r.begin(now)
	if s := r.seats[full]; s != nil {
		r.leave(s, announcement{})
	}
	return r.out
}

// empty reports whether nothing would be lost if the room did not exist.
func (r *Room) empty() bool { return len(r.seats) == 0 && (!r.settings.Persistent || r.locked) }

func (r *Room) affiliation(bare string) affiliation {
	if p, ok := r.people[bare]; ok {
		return p.affiliation
	}
	return unaffiliated
}

// occupantAddress is the address under which the room knows an occupant.
func (r *Room) occupantAddress(nick string) string { return r.address + "/" + nick }

// seesAddresses reports whether an occupant may know who the others are (XEP-0045 §4.2).
func (r *Room) seesAddresses(o *occupant) bool { return r.settings.NonAnonymous || o.role == moderator }

// send delivers a stanza to addresses, if there are any.
func (r *Room) send(to []string, stanza []byte) {
	if len(to) > 0 {
		r.out = append(r.out, Delivery{To: to, Stanza: stanza})
	}
}

// sendPresence is send for an occupant's presence.
func (r *Room) sendPresence(d Delivery) {
	if len(d.To) > 0 {
		r.out = append(r.out, d)
	}
}

// everybody lists the clients of all occupants.
func (r *Room) everybody() []string {
	list := make([]string, 0, len(r.seats))
	for _, o := range r.order {
		for _, s := range o.seats {
			list = append(list, s.full)
		}
	}
	return list
}

// clients lists the addresses of an occupant's clients.
func (o *occupant) clients() []string {
	list := make([]string, len(o.seats))
	for i, s := range o.seats {
		list[i] = s.full
	}
	return list
}

// reply answers an IQ.
func (r *Room) reply(in *In, payload *scan.Node) error {
	from := r.address
	if in.Nick != "" {
		from = r.occupantAddress(in.Nick)
	}
	r.send([]string{in.From}, build("iq", from, "result", string(in.Head.ID), payload))
	return nil
}

// announceCodes tells everybody that something about the room has changed (XEP-0045 §10.2.1).
func (r *Room) announceCodes(codes ...int) {
	x := elem(nsUser, "x")
	for _, c := range codes {
		with(x, statusNode(c))
	}
	r.send(r.everybody(), build("message", r.address, "groupchat", "", x))
}
