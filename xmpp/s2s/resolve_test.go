package s2s

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestOrder: all records but "." come, by priority, whatever the weights; a heavier one comes first more often.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) record {
			return record{net.SRV{
				Target:   rapid.SampledFrom([]string{"a.", "b.", "c", "."}).Draw(t, "target"),
				Port:     uint16(rapid.IntRange(1, 3).Draw(t, "port")),
				Priority: uint16(rapid.IntRange(0, 3).Draw(t, "priority")),
				Weight:   uint16(rapid.SampledFrom([]int{0, 1, 5, 65535}).Draw(t, "weight")),
			}, rapid.Bool().Draw(t, "direct")}
		}), 0, 8).Draw(t, "records")
		before := slices.Clone(records)
		got := order(records, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") })
		if fmt.Sprint(before) != fmt.Sprint(records) {
			t.Fatal("the records were changed")
		}
		var want []record
		for _, r := range records {
			if r.Target != "." {
				want = append(want, r)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d targets of %d records", len(got), len(want))
		}
		last := uint16(0)
		for _, target := range got {
			i := slices.IndexFunc(want, func(r record) bool {
				return r.Priority >= last && target == targetOf(r)
			})
			if i < 0 {
				t.Fatalf("%+v is out of order or was not there", target)
			}
			lowest := slices.MinFunc(want, func(a, b record) int { return int(a.Priority) - int(b.Priority) }).Priority
			i = slices.IndexFunc(want, func(r record) bool { return r.Priority == lowest && target == targetOf(r) })
			if i < 0 {
				t.Fatalf("%+v comes before a record of priority %d", target, lowest)
			}
			last = lowest
			want = slices.Delete(want, i, i+1)
		}
	})
}

func targetOf(r record) target {
	host := r.Target
	if host[len(host)-1] != '.' {
		host += "."
	}
	return target{host, r.Port, r.direct}
}

func TestWeights(t *testing.T) {
	records := []record{{SRV: net.SRV{Target: "light.", Weight: 1}}, {SRV: net.SRV{Target: "heavy.", Weight: 3}}}
	first := map[string]int{}
	for n := range 5 { // every pick once
		first[order(records, func(limit int) int { return min(n, limit-1) })[0].host]++
	}
	if first["light."] != 2 || first["heavy."] != 3 { // RFC 2782 counts from 0 up to the sum
		t.Errorf("first: %v", first)
	}
}

func TestResolve(t *testing.T) {
	w := newWorld(t)
	s := w.server(nil, a)
	w.publish("both.example", "xmpp-server", 1)
	w.publish("both.example", "xmpps-server", 2)
	w.srv["xmpps-server both.example."][0].Priority = 5
	w.publish("nodirect.example", "xmpps-server", 1)
	w.srv["xmpps-server nodirect.example."][0].Target = "."
	w.publish("none.example", "xmpp-server", 1)
	w.srv["xmpp-server none.example."][0].Target = "."
	w.publish("xn--bcher-kva.example", "xmpp-server", 7)
	for _, c := range []struct{ domain, want string }{
		{"both.example", "[{host.both.example. 1 false} {host.both.example. 2 true}] <nil>"},
		{"nodirect.example", "[{nodirect.example. 5269 false}] <nil>"},
		{"none.example", "[] remote-server-not-found: the domain offers no XMPP service"},
		{"plain.example", "[{plain.example. 5269 false}] <nil>"},
		{"bücher.example", "[{host.xn--bcher-kva.example. 7 false}] <nil>"},
		{"192.0.2.7", "[{192.0.2.7 5269 false}] <nil>"},
		{"[2001:db8::7]", "[{2001:db8::7 5269 false}] <nil>"},
	} {
		targets, err := s.resolve(t.Context(), c.domain)
		if got := fmt.Sprint(targets, err); got != c.want {
			t.Errorf("%s: %s, want %s", c.domain, got, c.want)
		}
	}
}

func TestDomains(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a.example", "a.example"}, {"A.Example", "a.example"}, {"a.example.", "a.example"}, {"xn--bcher-kva.example", "bücher.example"},
		{"localhost", "localhost"}, {"192.0.2.1", "192.0.2.1"}, {"[::1]", "[::1]"}, {"", ""}, {"a@b", ""}, {"a/b", ""}, {"a b", ""}, {"a<b", ""},
	} {
		if got, err := normalise(c.in); got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%q becomes %q %v, want %q", c.in, got, err, c.want)
		}
	}
	for _, c := range []struct{ in, want string }{
		{"a@b/c", "b"}, {"b", "b"}, {"b/c@d", "b"}, {"a@b", "b"}, {"b/c/d", "b"}, {"@b", "b"}, {"a@", ""}, {"", ""},
	} {
		if got := string(domainOf([]byte(c.in))); got != c.want {
			t.Errorf("domain of %q is %q, want %q", c.in, got, c.want)
		}
	}
}
