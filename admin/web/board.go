package web

import (
	"bytes"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/admin/feed"
	"github.com/rolecall/rolecall/internal/uc"
)

// boardLimit is how many people one board shows; search narrows it to them.
const boardLimit = 500

// card is one person on the board.
type card struct {
	ID        uc.UserID
	Name      string
	Ext       string
	Show      uc.Show
	Group     string // what the board filters by: available, busy, away, offline
	Text      string
	Phone     uc.PhoneState
	Call      *uc.CallView
	CallSince template.HTML
	Profile   *uc.ProfileView
	Since     template.HTML
	Reason    string
	Workplace string
	Clients   int
	Find      string // what the search in the browser looks through
	Sort      string
}

// boardFilter is which people a board shows.
type boardFilter struct {
	Query string
	Role  int64
	Team  int64
}

func (q *request) boardFilter() boardFilter {
	return boardFilter{Query: strings.TrimSpace(q.FormValue("q")), Role: number(q.FormValue("role")), Team: number(q.FormValue("team"))}
}

func (f boardFilter) has(d *uc.Directory, u *uc.User) bool {
	if f.Query != "" && !strings.Contains(findText(u), strings.ToLower(f.Query)) {
		return false
	}
	if f.Role != 0 && !slices.ContainsFunc(d.UserRoles(u.ID), func(r *uc.Role) bool { return int64(r.ID) == f.Role }) {
		return false
	}
	return f.Team == 0 || slices.ContainsFunc(d.Memberships(u.ID), func(m *uc.Member) bool { return int64(m.Team) == f.Team })
}

func (f boardFilter) query() string {
	return "q=" + template.URLQueryEscaper(f.Query) + "&role=" + strconv.FormatInt(f.Role, 10) + "&team=" + strconv.FormatInt(f.Team, 10)
}

func findText(u *uc.User) string { return strings.ToLower(u.Name + " " + u.Login + " " + u.Ext) }

// boardPage is what the template of the board gets.
type boardPage struct {
	Cards  []card
	Filter boardFilter
	Events template.URL // where the page follows changes
	Hidden int          // people that the filter has but the board does not show
}

func (q *request) board() error {
	v := &boardView{q: q, filter: q.boardFilter()}
	users, hidden := v.people(q.dir)
	data := boardPage{Filter: v.filter, Events: template.URL("/events?" + v.filter.query()), Hidden: hidden} //nolint:gosec // escaped
	for _, u := range users {
		data.Cards = append(data.Cards, v.card(q.dir, u))
	}
	return q.ok("board", "Board", data)
}

// boardFacts are the events that change a board.
var boardFacts = []uc.Event{uc.PresenceChanged{}, uc.ProfileSwitched{}, uc.DirectoryChanged{}}

func (q *request) events() error {
	return q.web.hub.Serve(q.w, q.Request, feed.Stream{
		View: &boardView{q: q, filter: q.boardFilter()}, Facts: boardFacts,
		Allowed: func() bool { return q.web.gate.StillAdmits(q.Request, q.who, access.ReadBoard) },
	})
}

// boardView makes the messages that keep one open board up to date. It implements feed.View.
type boardView struct {
	q      *request
	filter boardFilter
	shown  map[uc.UserID]bool
	dirty  map[uc.UserID]bool
	whole  bool // more than single people changed
}

// person is one message: a card to put in place.
type person struct {
	ID   uc.UserID `json:"id"`
	Sort string    `json:"sort"`
	HTML string    `json:"html"`
}

// wholeBoard is the message with all cards.
type wholeBoard struct {
	People []person `json:"people"`
	Colors string   `json:"colors"` // of the style sheet with the profiles' colors
}

// All implements feed.View.
func (v *boardView) All() []feed.Message {
	d := v.q.web.Directory.Snapshot()
	users, _ := v.people(d)
	v.shown, v.dirty, v.whole = make(map[uc.UserID]bool, len(users)), make(map[uc.UserID]bool), false
	board := wholeBoard{People: make([]person, 0, len(users)), Colors: colorsVersion(d)}
	for _, u := range users {
		v.shown[u.ID] = true
		board.People = append(board.People, v.person(d, u))
	}
	return []feed.Message{{Name: "board", Data: board}}
}

// Take implements feed.View.
func (v *boardView) Take(e uc.Event) {
	switch e := e.(type) {
	case uc.PresenceChanged:
		v.dirty[e.Presence.User] = true
	case uc.ProfileSwitched:
		v.dirty[e.State.User] = true
	case uc.DirectoryChanged:
		for _, ref := range e.Changes {
			switch ref.Kind {
			case uc.KindUser:
				v.dirty[uc.UserID(ref.ID)] = true
			case uc.KindRole, uc.KindMember, uc.KindProfile, uc.KindLocation, uc.KindTeam:
				v.whole = true
			}
		}
	}
}

// Changes implements feed.View: one message for each person who changed.
func (v *boardView) Changes() []feed.Message {
	if v.whole {
		return v.All()
	}
	d := v.q.web.Directory.Snapshot()
	var list []feed.Message
	for id := range v.dirty {
		u := d.Users.Get(id)
		switch wanted := u != nil && v.filter.has(d, u); {
		case wanted && (v.shown[id] || len(v.shown) < boardLimit):
			v.shown[id] = true
			list = append(list, feed.Message{Name: "person", Data: v.person(d, u)})
		case v.shown[id]:
			delete(v.shown, id)
			list = append(list, feed.Message{Name: "gone", Data: id})
		}
	}
	clear(v.dirty)
	return list
}

// people lists who is on the board, and how many more there would be.
func (v *boardView) people(d *uc.Directory) (shown []*uc.User, hidden int) {
	all := desk.List(&d.Users, desk.UserName, func(u *uc.User) bool { return v.filter.has(d, u) })
	if len(all) > boardLimit {
		return all[:boardLimit], len(all) - boardLimit
	}
	return all, 0
}

func (v *boardView) person(d *uc.Directory, u *uc.User) person {
	c := v.card(d, u)
	var b bytes.Buffer
	if err := v.q.web.pages["board"].ExecuteTemplate(&b, "card", c); err != nil {
		v.q.web.Log.Error("card of the board failed", "user", u.ID, "cause", err)
	}
	return person{ID: u.ID, Sort: c.Sort, HTML: b.String()}
}

func (v *boardView) card(d *uc.Directory, u *uc.User) card {
	p := v.q.web.Presences.Get(u.ID)
	state := v.q.web.Profiles.State(u.ID)
	c := card{
		ID: u.ID, Name: u.Name, Ext: u.Ext, Show: p.Show, Group: group(p), Text: p.Text, Phone: p.Phone, Call: p.Call,
		Profile: p.Profile, Reason: state.Reason, Clients: len(p.Resources), Find: findText(u), Sort: strings.ToLower(u.Name),
	}
	now := v.q.web.Now()
	if p.Call != nil {
		c.CallSince = v.clock(p.Call.Since, now)
	}
	if p.Profile != nil {
		c.Since = v.clock(p.Profile.Since, now)
	}
	if at := d.Locations.Get(p.Workplace); at != nil {
		c.Workplace = at.Name
	}
	return c
}

func (v *boardView) clock(t, now time.Time) template.HTML { return clock(t, now, v.q.zone()) }

// group is under which filter of the board somebody is found.
func group(p uc.Presence) string {
	switch {
	case p.Show == uc.ShowDND, p.Phone == uc.PhoneBusy:
		return "busy"
	case p.Show == uc.ShowOffline:
		return "offline"
	case p.Show == uc.ShowAway, p.Show == uc.ShowXA:
		return "away"
	}
	return "available"
}

// profileColors is a style sheet that gives each profile's class its color: the content security policy
// allows no styles within the page.
func (web *Web) profileColors(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "private, max-age=3600") // the address changes with the colors
	if _, err := w.Write([]byte(colorSheet(web.Directory.Snapshot()))); err != nil {
		web.Log.DebugContext(r.Context(), "client left", "cause", err)
	}
}

func colorSheet(d *uc.Directory) string {
	var b strings.Builder
	for _, p := range desk.List(&d.Profiles, desk.Unnamed[uc.Profile], nil) {
		if isColor(p.Color) {
			b.WriteString(".profile-" + strconv.FormatInt(int64(p.ID), 10) + "{--chip:" + p.Color + "}\n")
		}
	}
	return b.String()
}

// isColor reports whether a text is "#rrggbb", so that nothing else gets into the style sheet.
func isColor(text string) bool {
	return len(text) == 7 && text[0] == '#' && strings.Trim(text[1:], "0123456789abcdefABCDEF") == ""
}
