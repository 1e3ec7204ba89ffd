// Package media anchors the media of calls: a symmetric relay of RTP and RTCP (RFC 3550, RFC 4961)
// between the two sides of a call, and the rewriting of SDP (RFC 8866) in offers and answers (RFC 3264)
// that leads both sides to the relay. Packets are forwarded as they are: codecs, payload types, SRTP,
// sequence numbers and timing belong to the two ends.
//
// A [Pool] hands out UDP ports, a [Session] is the media of one call. Each open port has one goroutine
// that reads it; the session owns these goroutines, and [Session.Close] returns when they have ended.
//
// # Why SDP is rewritten line by line
//
// Everything that this package does not have to change goes through unchanged, in the order in which it
// came, also what no library knows. github.com/pion/sdp/v3 refuses T.38 (m=image), unknown bandwidth
// types and fields out of order, although RFC 8866 §5 wants unknown ones ignored; so it serves here as
// the tests' second opinion.
package media

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/rolecall/rolecall/internal/uc"
)

// Config says where media comes in.
type Config struct {
	IP        netip.Addr // to listen on; a concrete address
	Advertise netip.Addr // written into SDP, if the server is behind address translation; zero means IP
	Min, Max  uint16     // range of ports, both included
}

// Pool hands out pairs of UDP ports: an even one for RTP and the odd one above it for RTCP (RFC 3550
// §11). It is safe for concurrent use and holds nothing that would have to be closed.
type Pool struct {
	ip        netip.Addr
	advertise netip.Addr

	mu    sync.Mutex
	first uint16          // the lowest even port
	pairs int             // how many pairs fit into the range
	next  int             // where to look for a free pair; goes round, so that a freed port rests
	used  map[uint16]bool // by RTP port
}

// NewPool makes a pool of the ports of a range. The error is an uc.ErrInvalid.
func NewPool(cfg Config) (*Pool, error) {
	if !cfg.Advertise.IsValid() {
		cfg.Advertise = cfg.IP
	}
	first := (uint32(cfg.Min) + 1) &^ 1
	switch {
	case !cfg.IP.IsValid() || cfg.IP.IsUnspecified() || cfg.IP.IsMulticast():
		return nil, uc.FieldError(uc.ErrInvalid, "ip", "%s is not one concrete address to listen on", cfg.IP)
	case cfg.Advertise.IsUnspecified() || cfg.Advertise.IsMulticast():
		return nil, uc.FieldError(uc.ErrInvalid, "advertise", "%s is not an address that phones can send to", cfg.Advertise)
	case cfg.Min == 0 || first+1 > uint32(cfg.Max):
		return nil, uc.FieldError(uc.ErrInvalid, "ports", "the range %d-%d has no room for an even port and the one above it", cfg.Min, cfg.Max)
	}
	p := &Pool{
		ip: cfg.IP.Unmap(), advertise: cfg.Advertise.Unmap(),
		first: uint16(first), pairs: int((uint32(cfg.Max) - first + 1) / 2), used: make(map[uint16]bool),
	}
	// A start at random makes it harder to guess where the next call's media will be.
	p.next = int(randomUint64() % uint64(p.pairs))
	return p, nil
}

// NewSession begins the media of one call. It takes no ports before the first offer.
func (p *Pool) NewSession() *Session {
	s := &Session{pool: p}
	for side := range s.origin {
		// RFC 8866 §5.2: a numeric session id, unique enough; kept below 2^62 for phones with signed integers.
		s.origin[side].id = randomUint64() >> 2
	}
	return s
}

// InUse returns how many pairs of ports are taken now.
func (p *Pool) InUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.used)
}

// Capacity returns how many pairs of ports there are.
func (p *Pool) Capacity() int { return p.pairs }

// pair is one RTP and one RTCP port towards one side of a call.
type pair struct{ rtp, rtcp *port }

func (a pair) port() uint16 { return a.rtp.number }

// open binds a free pair. It passes over ports that another program holds; if none is left the error is
// an uc.ErrUnavailable.
func (p *Pool) open() (pair, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range p.pairs {
		number := p.first + 2*uint16(p.next)
		p.next = (p.next + 1) % p.pairs
		if p.used[number] {
			continue
		}
		a, err := p.bind(number)
		if err == nil {
			p.used[number] = true
			return a, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return pair{}, uc.Errorf(uc.ErrUnavailable, "media port %d: %v", number, err)
		}
	}
	return pair{}, uc.Errorf(uc.ErrUnavailable, "all %d pairs of media ports are in use", p.pairs)
}

func (p *Pool) bind(number uint16) (pair, error) {
	rtp, err := listen(p.ip, number)
	if err != nil {
		return pair{}, err
	}
	rtcp, err := listen(p.ip, number+1)
	if err != nil {
		_ = rtp.Close() // nothing was sent, nothing can be lost
		return pair{}, err
	}
	return pair{newPort(p, rtp, number), newPort(p, rtcp, number+1)}, nil
}

// owns reports whether an address is one of our open ports.
func (p *Pool) owns(a netip.AddrPort) bool {
	if a.Addr() != p.ip && a.Addr() != p.advertise {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used[a.Port()&^1]
}

func listen(ip netip.Addr, number uint16) (*net.UDPConn, error) {
	network := "udp4"
	if ip.Is6() {
		network = "udp6"
	}
	return net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, number)))
}

// release gives a pair back whose sockets are closed.
func (p *Pool) release(a pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, a.port())
}

func randomUint64() uint64 {
	var b [8]byte
	rand.Read(b[:]) //nolint:errcheck // never fails, see crypto/rand
	return binary.BigEndian.Uint64(b[:])
}
