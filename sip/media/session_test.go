package media

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func TestPacketsGoBothWaysUntouched(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, bob := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	to := call(t, s, alice, bob)

	// Before anything is learned packets go where the SDP says.
	alice.send(alice.rtp, to[Caller], "\x80\x00 from alice")
	bob.hear(bob.rtp, "\x80\x00 from alice", to[Callee])
	bob.send(bob.rtp, to[Callee], "\x80\x00 from bob")
	alice.hear(alice.rtp, "\x80\x00 from bob", to[Caller])

	alice.send(alice.rtcp, to[Caller]+1, "report of alice")
	bob.hear(bob.rtcp, "report of alice", to[Callee]+1)
	bob.send(bob.rtcp, to[Callee]+1, "report of bob")
	alice.hear(alice.rtcp, "report of bob", to[Caller]+1)

	long := strings.Repeat("x", maxDatagram-1)
	alice.send(alice.rtp, to[Caller], long)
	bob.hear(bob.rtp, long, to[Callee])
	alice.send(alice.rtp, to[Caller], long+"y")
	alice.send(alice.rtp, to[Caller], "")
	bob.hear(bob.rtp, "", to[Callee])

	if st := s.Stats(Caller); st.Packets != 4 || st.Dropped != 1 || time.Since(st.Last) > patience {
		t.Errorf("from the caller: %+v", st)
	}
	if st := s.Stats(Callee); st.Packets != 2 || st.Dropped != 0 {
		t.Errorf("from the callee: %+v", st)
	}
}

func TestRTCPOnTheRTPPort(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, bob := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	to := call(t, s, alice, bob)
	alice.send(alice.rtp, to[Caller], "\x80\xc8 sender report")
	bob.hear(bob.rtp, "\x80\xc8 sender report", to[Callee])
}

func TestPhoneBehindAddressTranslation(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, bob := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	if _, err := s.Offer(Caller, alice.sdpAt("10.1.2.3"), loopback); err != nil {
		t.Fatal(err)
	}
	answer, err := s.Answer(Callee, bob.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	to := sdpPort(t, answer, 0)
	alice.send(alice.rtp, to, "hello")
	buf := make([]byte, 10)
	_, back, err := bob.rtp.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	bob.send(bob.rtp, back.Port(), "to the true address")
	alice.hear(alice.rtp, "to the true address", to)
}

// Whoever finds an open port is neither heard nor learned.
func TestStrangersAreNotLearned(t *testing.T) {
	for _, c := range []struct {
		name   string
		source netip.Addr
		heard  bool
	}{
		{"the signalling's address is known", loopback, false},
		{"the signalling's address is not known", netip.Addr{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSession(t, newPool(t))
			alice, bob, eve := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.2")
			if _, err := s.Offer(Caller, alice.sdp(), c.source); err != nil {
				t.Fatal(err)
			}
			answer, err := s.Answer(Callee, bob.sdp(), c.source)
			if err != nil {
				t.Fatal(err)
			}
			to := sdpPort(t, answer, 0)
			eve.send(eve.rtp, to, "from a stranger")
			alice.send(alice.rtp, to, "from alice")
			buf := make([]byte, 100)
			bob.rtp.SetReadDeadline(time.Now().Add(patience))
			n, back, err := bob.rtp.ReadFromUDPAddrPort(buf)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(buf[:n]) == "from a stranger"; got != c.heard {
				t.Fatalf("heard %q first", buf[:n])
			}
			if c.heard {
				bob.hear(bob.rtp, "from alice", back.Port())
			}
			// Alice is where her SDP says, so she is the one who is talked to.
			bob.send(bob.rtp, back.Port(), "for alice")
			alice.hear(alice.rtp, "for alice", to)
		})
	}
}

// A forked call: the branches share the callee's ports, and the last answer counts.
func TestWinnerOfAForkIsHeard(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, early, winner := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	offer, err := s.Offer(Caller, alice.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Offer(Caller, alice.sdp(), loopback)
	if err != nil || string(again) != string(offer) {
		t.Fatalf("the branches get different offers: %v\n%s\n%s", err, offer, again)
	}
	first, err := s.Answer(Callee, early.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	toCaller, toCallee := sdpPort(t, first, 0), sdpPort(t, offer, 0)
	early.send(early.rtp, toCallee, "early media")
	alice.hear(alice.rtp, "early media", toCaller)

	if _, err := s.Answer(Callee, winner.sdp(), loopback); err != nil {
		t.Fatal(err)
	}
	alice.send(alice.rtp, toCaller, "hello winner")
	winner.hear(winner.rtp, "hello winner", toCallee)
	winner.send(winner.rtp, toCallee, "hello alice")
	early.send(early.rtp, toCallee, "still ringing")
	winner.send(winner.rtp, toCallee, "the loser is not heard")
	alice.hear(alice.rtp, "hello alice", toCaller)
	alice.hear(alice.rtp, "the loser is not heard", toCaller)
}

func TestReINVITE(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, bob, elsewhere := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	to := call(t, s, alice, bob)

	// Bob moves, but Alice's phone refuses: all stays as it was.
	if _, err := s.Offer(Callee, elsewhere.sdp(), loopback); err != nil {
		t.Fatal(err)
	}
	alice.send(alice.rtp, to[Caller], "before")
	bob.hear(bob.rtp, "before", to[Callee])

	// He tries again, and it is accepted.
	offer, err := s.Offer(Callee, elsewhere.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Answer(Caller, alice.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := sdpPort(t, offer, 0), sdpPort(t, answer, 0); a != to[Caller] || b != to[Callee] {
		t.Errorf("ports %d and %d, they were %d and %d", a, b, to[Caller], to[Callee])
	}
	alice.send(alice.rtp, to[Caller], "after")
	elsewhere.hear(elsewhere.rtp, "after", to[Callee])
}

// A refresh that says nothing new must not forget where a phone behind address translation is.
func TestRefreshKeepsTheLearnedSource(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, bob := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	hidden := alice.sdpAt("10.1.2.3")
	offer, err := s.Offer(Caller, hidden, loopback)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Answer(Callee, bob.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	toCaller, toCallee := sdpPort(t, answer, 0), sdpPort(t, offer, 0)
	alice.send(alice.rtp, toCaller, "here I am")
	bob.hear(bob.rtp, "here I am", toCallee)
	if _, err := s.Offer(Caller, hidden, loopback); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(Callee, bob.sdp(), loopback); err != nil {
		t.Fatal(err)
	}
	bob.send(bob.rtp, toCallee, "still there")
	alice.hear(alice.rtp, "still there", toCaller)
}

// A late offer: the INVITE has no SDP, the callee offers in its 200 and the caller answers in the ACK.
func TestCalleeMayOffer(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, bob := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	offer, err := s.Offer(Callee, bob.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Answer(Caller, alice.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	alice.send(alice.rtp, sdpPort(t, offer, 0), "hello")
	bob.hear(bob.rtp, "hello", sdpPort(t, answer, 0))
}

// Somebody who talked with pictures goes on with somebody who has none: the m-lines that the one has seen stay, not
// wanted (RFC 3264 §8), and the other hears nothing of them.
func TestAnotherPartyWithFewerStreams(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, bob, carl := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	video := "m=video 5004 RTP/AVP 96\r\n"
	if _, err := s.Offer(Caller, append(alice.sdp(), video...), loopback); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(Callee, append(bob.sdp(), video...), loopback); err != nil {
		t.Fatal(err)
	}
	s.Renew(Callee, Past{})
	offer, err := s.Offer(Callee, carl.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	if got := zeros(t, offer); got != "audio+ video0" {
		t.Errorf("offered %s\n%s", got, offer)
	}
	if _, err := s.Answer(Caller, alice.sdp(), loopback); !errors.Is(err, uc.ErrInvalid) {
		t.Errorf("an answer that lacks an m-line: %v", err)
	}
	answer, err := s.Answer(Caller, append(alice.sdp(), "m=video 0 RTP/AVP 0\r\n"...), loopback)
	if err != nil {
		t.Fatal(err)
	}
	if got := zeros(t, answer); got != "audio+" {
		t.Errorf("answered %s\n%s", got, answer)
	}
	alice.send(alice.rtp, sdpPort(t, offer, 0), "hello")
	carl.hear(carl.rtp, "hello", sdpPort(t, answer, 0))
	carl.send(carl.rtp, sdpPort(t, answer, 0), "yes?")
	alice.hear(alice.rtp, "yes?", sdpPort(t, offer, 0))
}

// Who waits for somebody to talk to is kept silent, with plain media only.
func TestHold(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, bob := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	offer := string(alice.sdp()) + "a=sendrecv\r\nm=audio 5004 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n"
	held, err := s.Hold(Caller, []byte(offer))
	if err != nil {
		t.Fatal(err)
	}
	if got := zeros(t, held); got != "audio+ audio0" || !strings.Contains(string(held), "a=inactive") || strings.Contains(string(held), "sendrecv") {
		t.Errorf("%s\n%s", got, held)
	}
	next, err := s.Offer(Callee, bob.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	if _, before := version(t, held); !strings.Contains(string(next), " 2 IN IP4") || before != "1" || zeros(t, next) != "audio+ audio0" {
		t.Errorf("after\n%s\ncame\n%s", held, next)
	}
	if _, err := s.Hold(Caller, []byte("x")); !errors.Is(err, uc.ErrInvalid) {
		t.Errorf("rubbish: %v", err)
	}
}

func TestOriginVersion(t *testing.T) {
	s := newSession(t, newPool(t))
	alice := newPhone(t, "127.0.0.1")
	offer := func(sdp []byte) (string, string) {
		t.Helper()
		out, err := s.Offer(Caller, sdp, loopback)
		if err != nil {
			t.Fatal(err)
		}
		return version(t, out)
	}
	id, first := offer(alice.sdp())
	sameID, same := offer(alice.sdp())
	_, changed := offer(append(alice.sdp(), "a=sendonly\r\n"...))
	if id != sameID || first != "1" || same != "1" || changed != "2" {
		t.Errorf("id %s then %s; versions %s, %s, %s; want one id and 1, 1, 2", id, sameID, first, same, changed)
	}
}

const head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"

func TestStreamsAreRejectedWithPortZero(t *testing.T) {
	s := newSession(t, newPool(t))
	in := head + "m=audio 5000 RTP/AVP 0\r\nm=message 5002 TCP/MSRP *\r\nm=video 5004 RTP/AVP 96\r\nm=video 0 RTP/AVP 97\r\n"
	offer, err := s.Offer(Caller, []byte(in), loopback)
	if err != nil {
		t.Fatal(err)
	}
	if ports := zeros(t, offer); ports != "audio+ message0 video+ video0" {
		t.Errorf("offered to the callee: %s", ports)
	}
	in = head + "m=audio 6000 RTP/AVP 0\r\nm=message 6002 TCP/MSRP *\r\nm=video 0 RTP/AVP 96\r\nm=video 6004 RTP/AVP 97\r\n"
	answer, err := s.Answer(Callee, []byte(in), loopback)
	if err != nil {
		t.Fatal(err)
	}
	if ports := zeros(t, answer); ports != "audio+ message0 video0 video0" {
		t.Errorf("answered to the caller: %s", ports)
	}
}

// What the offer no longer wants the answer cannot bring back.
func TestRejectedStreamStaysRejected(t *testing.T) {
	s := newSession(t, newPool(t))
	both := []byte(head + "m=audio 5000 RTP/AVP 0\r\nm=video 5004 RTP/AVP 96\r\n")
	audio := []byte(head + "m=audio 5000 RTP/AVP 0\r\nm=video 0 RTP/AVP 96\r\n")
	for _, offer := range [][]byte{both, audio} {
		if _, err := s.Offer(Caller, offer, loopback); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := s.Answer(Callee, both, loopback)
	if err != nil {
		t.Fatal(err)
	}
	if ports := zeros(t, answer); ports != "audio+ video0" {
		t.Errorf("answered to the caller: %s", ports)
	}
}

func TestNoMoreStreamsThanBounded(t *testing.T) {
	p := newPool(t)
	s := newSession(t, p)
	in := head + strings.Repeat("m=audio 5000 RTP/AVP 0\r\n", maxStreams+2)
	offer, err := s.Offer(Caller, []byte(in), loopback)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(zeros(t, offer), "audio+"); got != maxStreams || p.InUse() != 2*maxStreams {
		t.Errorf("%d streams and %d pairs, want %d streams", got, p.InUse(), maxStreams)
	}
}

// zeros tells which m-lines have a port and which are rejected.
func zeros(t *testing.T, sdp []byte) string {
	t.Helper()
	d, err := parse(sdp)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range d.media {
		sign := "+"
		if m.port == 0 {
			sign = "0"
		}
		words = append(words, m.kind+sign)
	}
	return strings.Join(words, " ")
}

func TestExhaustedPool(t *testing.T) {
	p, err := NewPool(Config{IP: loopback, Min: 22001, Max: 22005}) // 22002 and 22004
	if err != nil {
		t.Fatal(err)
	}
	if p.Capacity() != 2 {
		t.Fatalf("%d pairs in 22001-22005, want 2", p.Capacity())
	}
	first := newSession(t, p)
	offer, err := first.Offer(Caller, []byte(head+"m=audio 5000 RTP/AVP 0\r\nm=video 5002 RTP/AVP 96\r\n"), loopback)
	if err != nil {
		t.Fatal(err)
	}
	if ports := zeros(t, offer); ports != "audio+ video0" {
		t.Errorf("with room for one stream: %s", ports)
	}
	second := newSession(t, p)
	audio := []byte(head + "m=audio 5000 RTP/AVP 0\r\n")
	if _, err := second.Offer(Caller, audio, loopback); !errors.Is(err, uc.ErrUnavailable) {
		t.Errorf("with no room: %v, want unavailable", err)
	}
	first.Close()
	if _, err := second.Offer(Caller, audio, loopback); err != nil {
		t.Errorf("after the first call ended: %v", err)
	}
}

// A port that another program holds is passed over.
func TestForeignPortIsPassedOver(t *testing.T) {
	foreign := socket(t, "127.0.0.1")
	even := at(foreign).Port() &^ 1
	p, err := NewPool(Config{IP: loopback, Min: even, Max: even + 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.open(); !errors.Is(err, uc.ErrUnavailable) || p.InUse() != 0 {
		t.Errorf("%v with %d in use, want unavailable", err, p.InUse())
	}
}

func TestNewPoolRefuses(t *testing.T) {
	for _, c := range []Config{
		{Min: 20000, Max: 20100},
		{IP: netip.MustParseAddr("0.0.0.0"), Min: 20000, Max: 20100},
		{IP: loopback, Advertise: netip.MustParseAddr("::"), Min: 20000, Max: 20100},
		{IP: loopback, Min: 0, Max: 20100},
		{IP: loopback, Min: 20001, Max: 20002},
		{IP: loopback, Min: 20000, Max: 19000},
		{IP: loopback, Min: 65535, Max: 65535},
	} {
		if _, err := NewPool(c); !errors.Is(err, uc.ErrInvalid) {
			t.Errorf("%+v: %v, want invalid", c, err)
		}
	}
}

func TestAnswersThatDoNotFit(t *testing.T) {
	s := newSession(t, newPool(t))
	alice := newPhone(t, "127.0.0.1")
	if _, err := s.Answer(Callee, alice.sdp(), loopback); !errors.Is(err, uc.ErrInvalid) {
		t.Errorf("answer before any offer: %v", err)
	}
	if _, err := s.Offer(Caller, alice.sdp(), loopback); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(Caller, alice.sdp(), loopback); !errors.Is(err, uc.ErrInvalid) {
		t.Errorf("answer to one's own offer: %v", err)
	}
	if _, err := s.Answer(Callee, []byte(head), loopback); !errors.Is(err, uc.ErrInvalid) {
		t.Errorf("answer with too few streams: %v", err)
	}
	if _, err := s.Offer(Caller, []byte("nonsense"), loopback); !errors.Is(err, uc.ErrInvalid) {
		t.Errorf("an offer that is no SDP: %v", err)
	}
}

// Two ends that name our own ports in their SDP must not send a packet round in circles.
func TestOwnPortsAreNoSource(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, bob := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	to := call(t, s, alice, bob)
	circle := func(port uint16) []byte {
		return fmt.Appendf(nil, "%sm=audio %d RTP/AVP 0\r\n", head, port)
	}
	if _, err := s.Offer(Caller, circle(to[Callee]), loopback); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(Callee, circle(to[Caller]), loopback); err != nil {
		t.Fatal(err)
	}
	alice.send(alice.rtp, to[Caller], "round and round")
	// The packet goes from the callee's port to the caller's and is dropped there.
	waitFor(t, "the drop", func() bool { return s.Stats(Caller).Dropped > 0 })
	if st := s.Stats(Caller); st.Packets != 1 {
		t.Errorf("taken %d times", st.Packets)
	}
}

func TestCloseEndsEverythingOnce(t *testing.T) {
	p := newPool(t)
	s := newSession(t, p)
	call(t, s, newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1"))
	waitFor(t, "four readers", func() bool { return relays() == 4 })
	if p.InUse() != 2 {
		t.Fatalf("%d pairs, want 2", p.InUse())
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(s.Close)
	}
	both.Wait()
	// A goroutine is counted for a moment after it has told that it is done.
	waitFor(t, "the readers to be gone", func() bool { return relays() == 0 })
	if p.InUse() != 0 {
		t.Errorf("%d pairs are left", p.InUse())
	}
	if _, err := s.Offer(Caller, []byte(head), loopback); !errors.Is(err, uc.ErrUnavailable) {
		t.Errorf("offer after Close: %v", err)
	}
	if _, err := s.Answer(Callee, []byte(head), loopback); !errors.Is(err, uc.ErrUnavailable) {
		t.Errorf("answer after Close: %v", err)
	}
}

// waitFor lets the other goroutines run until something has become true.
func waitFor(t *testing.T, what string, come func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !come(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// relays counts the goroutines that read media ports.
func relays() int {
	buf := make([]byte, 1<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "(*port).relay(")
}

// Packets, signalling, statistics and the end of the call at the same time, for the race detector.
func TestEverythingAtOnce(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, bob, other := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	to := call(t, s, alice, bob)
	var all sync.WaitGroup
	for _, p := range []*phone{alice, other} {
		all.Go(func() {
			for range 300 {
				p.rtp.WriteToUDPAddrPort([]byte("packet"), netip.AddrPortFrom(loopback, to[Caller]))
			}
		})
	}
	all.Go(func() {
		for i := range 50 {
			offer := []*phone{alice, other}[i%2].sdp()
			if _, err := s.Offer(Caller, offer, loopback); err != nil && !errors.Is(err, uc.ErrUnavailable) {
				t.Error(err)
			}
			if _, err := s.Answer(Callee, bob.sdp(), loopback); err != nil && !errors.Is(err, uc.ErrUnavailable) {
				t.Error(err)
			}
			s.Stats(Caller)
		}
		s.Close()
	})
	all.Wait()
}

// What comes before the far side is known, or for a stream that it rejected, goes nowhere.
func TestNothingIsSentToNobody(t *testing.T) {
	s := newSession(t, newPool(t))
	alice, bob := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	offer, err := s.Offer(Caller, alice.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	bob.send(bob.rtp, sdpPort(t, offer, 0), "too early")
	waitFor(t, "the drop", func() bool { return s.Stats(Callee).Dropped == 1 })
	answer, err := s.Answer(Callee, bob.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(Callee, []byte(head+"m=audio 0 RTP/AVP 0\r\n"), loopback); err != nil {
		t.Fatal(err)
	}
	alice.send(alice.rtp, sdpPort(t, answer, 0), "rejected")
	waitFor(t, "the drop", func() bool { return s.Stats(Caller).Dropped == 1 })
}

func TestIPv6(t *testing.T) {
	ip := netip.IPv6Loopback()
	p, err := NewPool(Config{IP: ip, Advertise: netip.MustParseAddr("2001:db8::9"), Min: 21000, Max: 21999})
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t, p)
	offer, err := s.Offer(Caller, []byte(head+"m=audio 5000 RTP/AVP 0\r\n"), ip)
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	if want := "\r\nc=IN IP6 2001:db8::9\r\n"; !strings.Contains(string(offer), want) {
		t.Errorf("no %q in\n%s", want, offer)
	}
}
