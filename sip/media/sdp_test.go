package media

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
)

var ours = netip.MustParseAddr("192.0.2.9")

func crlf(text string) string {
	return strings.ReplaceAll(strings.TrimLeft(text, "\n"), "\n", "\r\n")
}

// Both sides of each rewriting stand here in full; ports are 40000, 40010 … by m-line.
func TestRewrite(t *testing.T) {
	for _, c := range []struct {
		name     string
		ip       netip.Addr
		refused  []int
		in, want string
	}{
		{
			name: "audio and video, each with attributes that nobody here knows",
			in: `
v=0
o=alice 2890844526 2890844526 IN IP4 198.51.100.7
s=Phone call
c=IN IP4 198.51.100.7
b=X-NEW:64
t=0 0
a=x-vendor:something
m=audio 49170 RTP/AVP 0 8 101
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=sendonly
m=video 51372 RTP/AVP 96
b=UNHEARD:1
a=rtpmap:96 H264/90000
y=0200000001
`,
			want: `
s=Phone call
c=IN IP4 192.0.2.9
b=X-NEW:64
t=0 0
a=x-vendor:something
m=audio 40000 RTP/AVP 0 8 101
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=sendonly
m=video 40010 RTP/AVP 96
b=UNHEARD:1
a=rtpmap:96 H264/90000
y=0200000001
`,
		},
		{
			name: "c= per media, a=rtcp, ICE and what else leads around the relay",
			in: `
v=0
o=- 1 1 IN IP6 2001:db8::1
s=-
t=0 0
a=ice-options:trickle
m=audio 49170/2 RTP/SAVPF 111
c=IN IP6 2001:db8::1
a=rtcp:49999 IN IP6 2001:db8::2
a=rtcp-fb:111 transport-cc
a=rtcp-mux
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=candidate:1 1 UDP 2130706431 2001:db8::1 49170 typ host
a=end-of-candidates
a=fingerprint:sha-256 00:11
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc
a=source-filter: incl IN IP6 * 2001:db8::1
`,
			want: `
s=-
t=0 0
m=audio 40000 RTP/SAVPF 111
c=IN IP4 192.0.2.9
a=rtcp:40001 IN IP4 192.0.2.9
a=rtcp-fb:111 transport-cc
a=rtcp-mux
a=fingerprint:sha-256 00:11
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc
`,
		},
		{
			name: "RTCP on the RTP port stays there",
			in: `
v=0
o=- 1 1 IN IP4 198.51.100.7
s=-
c=IN IP4 198.51.100.7
t=0 0
m=audio 49170 RTP/AVP 0
a=rtcp-mux
a=rtcp:49170
`,
			want: `
s=-
c=IN IP4 192.0.2.9
t=0 0
m=audio 40000 RTP/AVP 0
a=rtcp-mux
a=rtcp:40000 IN IP4 192.0.2.9
`,
		},
		{
			name: "hold the old way, and a rejected stream",
			in: `
v=0
o=- 1 1 IN IP4 198.51.100.7
s=-
c=IN IP4 0.0.0.0
t=0 0
m=audio 49170 RTP/AVP 0
m=video 0 RTP/AVP 96
`,
			refused: []int{1},
			want: `
s=-
c=IN IP4 0.0.0.0
t=0 0
m=audio 40000 RTP/AVP 0
m=video 0 RTP/AVP 96
`,
		},
		{
			name: "our side speaks IPv6; a fax",
			ip:   netip.MustParseAddr("2001:db8::9"),
			in: `
v=0
o=- 1 1 IN IP4 198.51.100.7
s=-
c=IN IP4 fax.example.com
t=0 0
m=image 49170 udptl t38
a=T38FaxVersion:0
a=inactive
`,
			want: `
s=-
c=IN IP6 2001:db8::9
t=0 0
m=image 40000 udptl t38
a=T38FaxVersion:0
a=inactive
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !c.ip.IsValid() {
				c.ip = ours
			}
			for _, in := range []string{crlf(c.in), strings.TrimLeft(c.in, "\n")} {
				d, err := parse([]byte(in))
				if err != nil {
					t.Fatal(err)
				}
				if got := d.rewrite(c.ip, portsFor(d, c.refused)); got != crlf(c.want) {
					t.Errorf("got\n%s\nwant\n%s", got, crlf(c.want))
				}
			}
		})
	}
}

func portsFor(d *description, refused []int) []uint16 {
	ports := make([]uint16, len(d.media))
	for i := range ports {
		if d.media[i].port != 0 && !slices.Contains(refused, i) {
			ports[i] = uint16(40000 + 10*i)
		}
	}
	return ports
}

func TestWhereMediaIsSaidToBe(t *testing.T) {
	for _, c := range []struct{ session, lines, rtp, rtcp string }{
		{"c=IN IP4 198.51.100.7", "", "198.51.100.7:4000", "198.51.100.7:4001"},
		{"c=IN IP4 198.51.100.7", "c=IN IP4 198.51.100.8", "198.51.100.8:4000", "198.51.100.8:4001"},
		{"c=IN IP4 198.51.100.7", "a=rtcp:5555", "198.51.100.7:4000", "198.51.100.7:5555"},
		{"c=IN IP4 198.51.100.7", "a=rtcp:5555 IN IP4 198.51.100.8", "198.51.100.7:4000", "198.51.100.8:5555"},
		{"c=IN IP6 ::ffff:198.51.100.7", "a=rtcp:nonsense", "198.51.100.7:4000", "198.51.100.7:4001"},
		{"c=IN IP6 2001:db8::1", "", "[2001:db8::1]:4000", "[2001:db8::1]:4001"},
		{"c=IN IP4 host.example.com", "", "invalid AddrPort", "invalid AddrPort"},
		{"c=IN IP4 239.1.1.1/127", "", "invalid AddrPort", "invalid AddrPort"},
		{"c=ATM NSAP 47", "", "invalid AddrPort", "invalid AddrPort"},
	} {
		d, err := parse([]byte("v=0\n" + c.session + "\nm=audio 4000 RTP/AVP 0\n" + c.lines))
		if err != nil {
			t.Fatal(err)
		}
		if rtp, rtcp := d.media[0].rtp.String(), d.media[0].rtcp.String(); rtp != c.rtp || rtcp != c.rtcp {
			t.Errorf("%s %s: %s %s, want %s %s", c.session, c.lines, rtp, rtcp, c.rtp, c.rtcp)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	many := strings.Repeat("m=audio 0 RTP/AVP 0\n", maxMedia+1)
	for name, in := range map[string]string{
		"nothing":                  "",
		"no SDP":                   "hello",
		"another version":          "v=1\no=- 1 1 IN IP4 192.0.2.1",
		"v= not first":             "s=-\nv=0",
		"media before everything":  "m=audio 1 RTP/AVP 0",
		"an empty line within":     "v=0\n\ns=-",
		"a carriage return within": "v=0\ns=a\rb",
		"m= without formats":       "v=0\nc=IN IP4 192.0.2.1\nm=audio 1 RTP/AVP",
		"m= with a port too large": "v=0\nc=IN IP4 192.0.2.1\nm=audio 65536 RTP/AVP 0",
		"m= with no number":        "v=0\nc=IN IP4 192.0.2.1\nm=audio x RTP/AVP 0",
		"no address":               "v=0\nm=audio 4000 RTP/AVP 0",
		"too many m-lines":         "v=0\n" + many,
		"too long":                 "v=0\ns=" + strings.Repeat("x", maxSDP),
	} {
		if d, err := parse([]byte(in)); err == nil {
			t.Errorf("%s: read as %+v", name, d)
		}
	}
}

// What is rewritten can be read again and says the same but for our address; where pion reads the
// original well it must read ours too, with the same streams.
func FuzzRewrite(f *testing.F) {
	for _, seed := range []string{
		"v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp:4001\r\n",
		"v=0\no=- 1 1 IN IP6 ::1\ns=-\nt=0 0\nm=video 4000/2 UDP/TLS/RTP/SAVPF 96\nc=IN IP6 ::1\na=candidate:1\na=rtcp:4000 IN IP6 ::1\n",
		"v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nc=IN IP4 0.0.0.0\nt=0 0\nm=image 4000 udptl t38\nm=audio 0 TCP/MSRP *\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := parse(in)
		if err != nil {
			return
		}
		out := (&origin{id: 1}).put(d.rewrite(ours, portsFor(d, nil)), ours)
		again, err := parse(out)
		if err != nil {
			t.Fatalf("cannot read what was written: %v\n%s", err, out)
		}
		if len(again.media) != len(d.media) {
			t.Fatalf("%d streams became %d", len(d.media), len(again.media))
		}
		twice := again.rewrite(ours, portsFor(again, nil))
		if once := d.rewrite(ours, portsFor(d, nil)); once != twice {
			t.Fatalf("rewriting twice is not rewriting once:\n%s\n%s", once, twice)
		}
		var theirs, mine sdp.SessionDescription
		if theirs.Unmarshal(in) != nil {
			return
		}
		if canonical, err := theirs.Marshal(); err != nil || string(canonical) != string(in) {
			return // it also reads several fields from one line and the like
		}
		if err := mine.Unmarshal(out); err != nil {
			t.Fatalf("pion reads the original but not ours: %v\n%s", err, out)
		}
		for i, m := range mine.MediaDescriptions {
			if before := theirs.MediaDescriptions[i].MediaName; m.MediaName.Media != before.Media ||
				!slices.Equal(m.MediaName.Protos, before.Protos) || !slices.Equal(m.MediaName.Formats, before.Formats) {
				t.Fatalf("stream %d was %v and is %v", i, before, m.MediaName)
			}
		}
	})
}

func BenchmarkRewrite(b *testing.B) {
	in := []byte("v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n" +
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n")
	b.ReportAllocs()
	for b.Loop() {
		d, err := parse(in)
		if err != nil {
			b.Fatal(err)
		}
		d.rewrite(ours, []uint16{40000})
	}
}
