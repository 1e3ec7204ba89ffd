package s2s

import (
	"maps"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"
)

// paces has what each other server may still send. All streams of a server draw on the same; servers of one registered
// domain count as one, because whoever has the domain can make any number of them.
type paces struct {
	stanzas, bytes float64 // a second; 0: no bound

	mu      sync.Mutex
	servers map[string]*pace
}

// pace is what one server, or one that is not verified yet, may still send: a second's worth of elements and of bytes,
// and as much more each second. What comes is charged when it is there, so the balance may be negative; nothing
// is handled or read until it is not.
type pace struct {
	of *paces

	mu             sync.Mutex
	stanzas, bytes float64
	at             time.Time // when the balances were counted

	streams int // that draw on it; under paces.mu
}

func newPaces(stanzas, bytes int) *paces {
	return &paces{stanzas: float64(stanzas), bytes: float64(bytes), servers: map[string]*pace{}}
}

// fresh makes a pace for a stream of which nobody knows whose it is.
func (ps *paces) fresh() *pace {
	return &pace{of: ps, stanzas: ps.stanzas, bytes: ps.bytes, at: time.Now()}
}

// join returns the pace of a domain's server for one more stream. Closing streams and opening others gains nothing: what has
// been used up is remembered as long as it matters.
func (ps *paces) join(domain string) *pace {
	server := registered(domain)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	maps.DeleteFunc(ps.servers, func(_ string, p *pace) bool { return p.streams == 0 && p.full() })
	p := ps.servers[server]
	if p == nil {
		p = ps.fresh()
		ps.servers[server] = p
	}
	p.streams++
	return p
}

func (ps *paces) leave(p *pace) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.streams--
}

// registered returns the part of a domain that somebody has registered, as example.org of chat.example.org.
func registered(domain string) string {
	if name, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return name
	}
	return domain // a host without a domain, an address
}

// charge notes that so much has come.
func (p *pace) charge(elements, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stanzas -= float64(elements)
	p.bytes -= float64(bytes)
}

// due returns how long to wait until more may come.
func (p *pace) due() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stanzas < 0 || p.bytes < 0 { // the clock is read only then
		p.count()
	}
	return max(owed(p.stanzas, p.of.stanzas), owed(p.bytes, p.of.bytes))
}

func (p *pace) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count()
	return p.stanzas == p.of.stanzas && p.bytes == p.of.bytes
}

// count adds what has become due since.
func (p *pace) count() {
	now := time.Now()
	since := now.Sub(p.at).Seconds()
	p.stanzas = min(p.of.stanzas, p.stanzas+since*p.of.stanzas)
	p.bytes = min(p.of.bytes, p.bytes+since*p.of.bytes)
	p.at = now
}

func owed(balance, perSecond float64) time.Duration {
	if perSecond == 0 || balance >= 0 {
		return 0
	}
	return time.Duration(-balance / perSecond * float64(time.Second))
}

// slice is how long a stream that has sent too much waits at a time. What it may send meanwhile is then handled in one go.
const slice = 20 * time.Millisecond

// breathe keeps the other side from sending more than it may: what it has sent stays where it is. No other server and
// no client waits. It returns early when the stream is to end.
func (s *link) breathe() error {
	s.joinPace()
	due := s.pace.due()
	if due <= 0 {
		return nil
	}
	began := time.Now()
	until := began.Add(max(due, slice))
	for left := due; left > 0 && s.fed.ctx.Err() == nil; left = time.Until(until) { // at the end there is no time to wait
		time.Sleep(min(left, slice))
		if err := s.ended(); err != nil {
			return err
		}
		if !s.authentic.Load() && time.Now().After(s.until) {
			return errTooSlow
		}
	}
	if !s.began.IsZero() {
		s.began = s.began.Add(time.Since(began)) // the element is not late: it was not read
	}
	return nil
}

// joinPace puts the stream under the limit of its server as soon as that is known.
func (s *link) joinPace() {
	if s.joined || !s.authentic.Load() {
		return
	}
	s.joined = true
	domain := ""
	for p := range *s.verified.Load() {
		if domain == "" || p.remote == s.remote {
			domain = p.remote
		}
	}
	s.pace = s.fed.paces.join(domain)
}

func (s *link) leavePace() {
	if s.joined {
		s.fed.paces.leave(s.pace)
	}
}
