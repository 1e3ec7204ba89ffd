package media

import (
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// maxStreams bounds how many m-lines of a call get ports; those beyond are rejected.
const maxStreams = 8

// Side is one of the two sides of a call.
type Side uint8

// The sides of a call.
const (
	Caller Side = iota
	Callee
)

// Other returns the opposite side.
func (s Side) Other() Side { return 1 - s }

// Session is the media of one call: for each m-line a pair of ports towards the caller and one towards
// the callee, from the first offer to [Session.Close]. While a call forks, all branches share the ports
// of the callee's side and get the same offer; the answer given last is the one that counts.
//
// It is safe for concurrent use.
type Session struct {
	pool *Pool

	mu      sync.Mutex
	closed  bool
	streams []*stream   // by position of the m-line; nil: it has no ports
	origin  [2]origin   // what each side is shown as our o= line
	kinds   [2][]string // of the m-lines that each side has seen
	offer   *offer      // the latest; nil before the first
	agreed  bool        // an offer has been answered
	readers sync.WaitGroup
}

// stream is the two pairs of ports of one m-line, by side.
type stream [2]pair

// offer is what must be remembered until the answers come.
type offer struct {
	from    Side
	lines   int      // number of m-lines
	written int      // number of m-lines in what the other side got
	refused []bool   // m-lines that were passed on with port 0
	remotes []target // where the side that offers wants its media
}

// target is where one side wants the media of one m-line.
type target struct{ rtp, rtcp *remote }

// Offer takes the SDP offer of one side and returns the offer for the other side, which leads to our
// ports. source is the address that the side's signalling comes from: media may come from there or from
// the address in the SDP only; the zero Addr admits any source. An m-line that cannot be relayed (no
// UDP, ports exhausted) is passed on with port 0, that is, as not wanted.
//
// The first offer counts at once, a later one when it is answered: if it is refused nothing has
// changed and nothing has to be done. If the other side has seen more m-lines than the offer has, because
// it talked to somebody else before, the rest is offered as not wanted (RFC 3264 §8).
//
// Errors: uc.ErrInvalid if it is no SDP, uc.ErrUnavailable if no m-line at all could get ports or the
// session is closed.
func (s *Session) Offer(from Side, sdp []byte, source netip.Addr) ([]byte, error) {
	d, err := parse(sdp)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, uc.Errorf(uc.ErrUnavailable, "the call's media has ended")
	}
	if err := s.open(d); err != nil {
		return nil, err
	}
	o := &offer{from: from, lines: len(d.media), remotes: targets(d, source)}
	for i, m := range d.media {
		o.refused = append(o.refused, m.port == 0 || s.streams[i] == nil)
	}
	s.offer = o
	if !s.agreed {
		s.aim(from, o.remotes)
	}
	refused := o.refused
	if seen := s.kinds[from.Other()]; len(seen) > len(d.media) {
		for _, kind := range seen[len(d.media):] {
			d.media, refused = append(d.media, mediaLines{kind: kind, rest: "RTP/AVP 0"}), append(refused, true)
		}
	}
	o.written = len(d.media)
	return s.write(d, from.Other(), refused), nil
}

// Answer takes the SDP answer that one side gives to the other's latest offer and returns the answer for
// the side that offered. It may be called again for the same offer: for early media (183) and the answer
// after it, and for the branches of a fork; the last counts.
//
// Errors: uc.ErrInvalid if it is no SDP or does not fit the offer, uc.ErrUnavailable if the session is closed.
func (s *Session) Answer(from Side, sdp []byte, source netip.Addr) ([]byte, error) {
	d, err := parse(sdp)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, uc.Errorf(uc.ErrUnavailable, "the call's media has ended")
	case s.offer == nil || s.offer.from == from:
		return nil, uc.Errorf(uc.ErrInvalid, "SDP answer without an offer")
	case len(d.media) != s.offer.written:
		// RFC 3264 §6: as many m-lines as the offer, in the same order.
		return nil, uc.Errorf(uc.ErrInvalid, "SDP answer has %d m-lines, the offer had %d", len(d.media), s.offer.written)
	}
	d.media = d.media[:s.offer.lines] // the side that offered knows no more
	refused := make([]bool, len(d.media))
	for i, m := range d.media {
		refused[i] = m.port == 0 || s.offer.refused[i]
	}
	s.agreed = true
	s.aim(from.Other(), s.offer.remotes)
	s.aim(from, targets(d, source))
	return s.write(d, from.Other(), refused), nil
}

// Hold answers the offer of one side while there is nobody on the other: each m-line is taken, and silent
// until the other side has made an offer (RFC 3725 §4.4, flow IV). Secured media is not taken, for there is
// nobody to agree on keys with. The errors are those of Offer.
func (s *Session) Hold(from Side, sdp []byte) ([]byte, error) {
	d, err := parse(sdp)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, uc.Errorf(uc.ErrUnavailable, "the call's media has ended")
	}
	if err := s.open(d); err != nil {
		return nil, err
	}
	refused := make([]bool, len(d.media))
	for i := range d.media {
		m := &d.media[i]
		refused[i] = m.port == 0 || m.secured() || s.streams[i] == nil
		m.silence()
	}
	return s.write(d, from, refused), nil
}

// Past is what one side has seen of our session descriptions. The zero value is nothing.
type Past struct {
	origin origin
	kinds  []string
}

// Past returns what one side has seen, to go on from there in another session.
func (s *Session) Past(side Side) Past {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Past{s.origin[side], slices.Clone(s.kinds[side])}
}

// Renew says that from now on there is somebody else on one side, who has seen something already if they
// come from another session.
func (s *Session) Renew(side Side, p Past) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds[side] = slices.Clone(p.kinds)
	if p.origin.version != 0 {
		s.origin[side] = p.origin
	}
}

// open gives ports to the m-lines that want some and have none yet.
func (s *Session) open(d *description) error {
	var wanted, got int
	var fault error
	for len(s.streams) < len(d.media) {
		s.streams = append(s.streams, nil)
	}
	for i, m := range d.media {
		if m.port == 0 || !m.relayable() {
			continue
		}
		wanted++
		if s.streams[i] == nil && i < maxStreams {
			s.streams[i], fault = s.newStream()
		}
		if s.streams[i] != nil {
			got++
		}
	}
	if wanted > 0 && got == 0 && fault != nil {
		return fault
	}
	return nil
}

func (s *Session) newStream() (*stream, error) {
	a, err := s.pool.open()
	if err != nil {
		return nil, err
	}
	b, err := s.pool.open()
	if err != nil {
		a.close()
		s.pool.release(a)
		return nil, err
	}
	a.rtp.peer, b.rtp.peer = b.rtp, a.rtp
	a.rtcp.peer, b.rtcp.peer = b.rtcp, a.rtcp
	s.readers.Add(4)
	for _, p := range []*port{a.rtp, a.rtcp, b.rtp, b.rtcp} {
		go p.relay(&s.readers)
	}
	return &stream{a, b}, nil
}

// aim sends the media of one side's ports to where the side wants it.
func (s *Session) aim(side Side, remotes []target) {
	for i, st := range s.streams {
		if st == nil {
			continue
		}
		var t target
		if i < len(remotes) {
			t = remotes[i]
		}
		st[side].rtp.set(t.rtp)
		st[side].rtcp.set(t.rtcp)
	}
}

// write makes the SDP for one side, with our ports and our origin.
func (s *Session) write(d *description, to Side, refused []bool) []byte {
	for _, m := range d.media[min(len(d.media), len(s.kinds[to])):] {
		s.kinds[to] = append(s.kinds[to], m.kind)
	}
	ports := make([]uint16, len(d.media))
	for i := range d.media {
		if !refused[i] && s.streams[i] != nil {
			ports[i] = s.streams[i][to].port()
		}
	}
	return s.origin[to].put(d.rewrite(s.pool.advertise, ports), s.pool.advertise)
}

// Stats tells what one side has sent so far.
type Stats struct {
	Packets uint64    // taken
	Dropped uint64    // not forwarded
	Last    time.Time // when the last packet came; zero if none has
}

// Stats returns what has come from one side, RTP and RTCP of all m-lines. A side that is on hold may
// rightly send nothing, so whether a silent call is dead is for the caller to judge.
func (s *Session) Stats(from Side) Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum Stats
	for _, st := range s.streams {
		if st == nil {
			continue
		}
		for _, p := range []*port{st[from].rtp, st[from].rtcp} {
			sum.Packets += p.packets.Load()
			sum.Dropped += p.dropped.Load()
			if at := p.last.Load(); at != 0 && time.Unix(0, at).After(sum.Last) {
				sum.Last = time.Unix(0, at)
			}
		}
	}
	return sum
}

// Close ends the relay, waits for its goroutines and gives the ports back. It may be called again.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for _, st := range s.streams {
		if st != nil {
			st[Caller].close()
			st[Callee].close()
		}
	}
	s.readers.Wait()
	for _, st := range s.streams {
		if st != nil {
			s.pool.release(st[Caller])
			s.pool.release(st[Callee])
		}
	}
}

// close ends the readers of both ports. A UDP socket has nothing left to lose when it is closed.
func (a pair) close() {
	_ = a.rtp.conn.Close()
	_ = a.rtcp.conn.Close()
}

// origin is our o= line towards one side. RFC 3264 §8: the version rises by one with every SDP that
// differs from the one before it.
type origin struct {
	id      uint64
	version uint64
	last    string // what followed the o= line before
}

// put writes the v= and o= lines before what follows them.
func (o *origin) put(rest string, ip netip.Addr) []byte {
	if rest != o.last {
		o.version++
		o.last = rest
	}
	out := make([]byte, 0, len(rest)+96)
	out = append(out, "v=0\r\no=- "...)
	out = strconv.AppendUint(out, o.id, 10)
	out = append(out, ' ')
	out = strconv.AppendUint(out, o.version, 10)
	out = append(out, ' ')
	out = append(out, network(ip)...)
	out = append(out, "\r\n"...)
	return append(out, rest...)
}
