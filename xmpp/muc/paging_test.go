package muc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// serviceOf is a service with public rooms of these names.
func serviceOf(names ...string) *Service {
	s := &Service{cfg: Config{Domain: "rooms.example.org", Limits: DefaultLimits, Now: time.Now}, rooms: map[string]*lockedRoom{}}
	for _, name := range names {
		r := newRoom(name, s.cfg.Domain, noon, &s.cfg)
		r.settings.Public = true
		s.rooms[name] = &lockedRoom{room: r}
	}
	return s
}

// pageOf asks for a page of the rooms.
func pageOf(t *testing.T, s *Service, set *scan.Node) (rooms []string, first, index, count string) {
	t.Helper()
	answer, err := s.listRooms("anna@example.org", set)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range answer.Nodes {
		if n.Name == "item" {
			rooms = append(rooms, n.Attr("name"))
			continue
		}
		count = n.ChildText(nsPaging, "count")
		if f := n.Child(nsPaging, "first"); f != nil {
			first, index = f.Text, f.Attr("index")
		}
	}
	return rooms, first, index, count
}

// TestPagesOfRooms asks for pages at random and compares them with what XEP-0059 says of the whole list.
func TestPagesOfRooms(t *testing.T) {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("r%02d", i))
	}
	s := serviceOf(names...)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	for range 2000 {
		most := random.IntN(25)
		set := with(elem(nsPaging, "set"), text(nsPaging, "max", strconv.Itoa(most)))
		from, to := 0, len(names)
		if random.IntN(2) == 0 {
			from = random.IntN(len(names)) + 1
			with(set, text(nsPaging, "after", names[from-1]))
		}
		last := random.IntN(2) == 0
		if last {
			before := ""
			if random.IntN(2) == 0 {
				to = random.IntN(len(names))
				before = names[to]
			}
			with(set, text(nsPaging, "before", before))
		}
		from, to = min(from, max(from, to)), max(from, to)
		if last {
			from = max(from, to-most)
		} else {
			to = min(to, from+most)
		}
		rooms, first, index, count := pageOf(t, s, set)
		if !slices.Equal(rooms, names[from:to]) || count != "20" || len(rooms) > 0 && (first != rooms[0] || index != strconv.Itoa(from)) {
			t.Fatalf("%s: %v of %s, first %s at %s, want %v", set.AppendXML(nil, ""), rooms, count, first, index, names[from:to])
		}
	}
}

// TestListCost: a page costs what is on it, and rooms that come and go are listed in order.
func TestListCost(t *testing.T) {
	var names []string
	for i := range 3000 {
		names = append(names, fmt.Sprintf("r%04d", i))
	}
	s := serviceOf(names...)
	for _, order := range []string{"after", "before"} {
		set := with(elem(nsPaging, "set"), text(nsPaging, "max", "5"), text(nsPaging, order, ""))
		pageOf(t, s, set)
		if n := testing.AllocsPerRun(5, func() { pageOf(t, s, set) }); n > 200 {
			t.Errorf("a page of five rooms costs %v allocations", n)
		}
	}
	s.close(s.rooms["r0001"])
	s.cfg.MayCreate = func(string) bool { return true }
	in, _ := read(t, "anna@example.org/x", "<presence to='r0000a@rooms.example.org/A'/>")
	l, err := s.create(in, "r0000a")
	if err != nil {
		t.Fatal(err)
	}
	l.room.locked, l.room.settings.Public = false, true
	if rooms, _, _, _ := pageOf(t, s, with(elem(nsPaging, "set"), text(nsPaging, "max", "3"))); !slices.Equal(rooms, []string{"r0000", "r0000a", "r0002"}) {
		t.Errorf("listed %v", rooms)
	}
}
