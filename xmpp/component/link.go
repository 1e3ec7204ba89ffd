package component

import (
	"errors"
	"net"
	"sync"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/lastword"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// streamError is the reason to end a stream that is told to the component (RFC 6120 §4.9).
type streamError string

func (e streamError) Error() string { return string(e) }

// The stream errors of this package; those of malformed XML come from the scanner.
const (
	errConflict      streamError = "conflict"
	errHostUnknown   streamError = "host-unknown"
	errImproper      streamError = "improper-addressing"
	errInvalidFrom   streamError = "invalid-from"
	errNotAuthorized streamError = "not-authorized"
	errPolicy        streamError = "policy-violation"
	errShutdown      streamError = "system-shutdown"
	errTimeout       streamError = "connection-timeout"
	errUnsupported   streamError = "unsupported-stanza-type"
)

// errClosed says that the component has closed the stream.
var errClosed = errors.New("component: the stream was closed")

// outgoing is a stanza that waits for a component. The server's own have neither sender nor domain.
type outgoing struct {
	sender, to string // an address and a domain
	raw        []byte
}

// link is the connection of one component. The service knows its domains.
type link struct {
	service *Service
	raw     net.Conn
	conn    net.Conn // over raw, if it is encrypted
	name    string   // the domain that the component has proved to be
	proof   *proof   // of a component that binds its domains itself (XEP-0225); else nil

	mu      sync.Mutex
	waiting []outgoing
	latest  map[string]int // of these, presence that a later one may take the place of; see lastword
	size    int            // bytes of what waits and of what is being written
	reason  error          // why the stream ends; nil while it does not
	wake    chan struct{}  // holds one token while the writer has something to do
}

func newLink(s *Service, raw, conn net.Conn, name string, p *proof) *link {
	return &link{service: s, raw: raw, conn: conn, name: name, proof: p, wake: make(chan struct{}, 1)}
}

// push queues a stanza unless the queue is full or the stream ends. A presence takes the place of an older one that waits still.
// The server's own answers have no head.
func (l *link) push(o outgoing, head *scan.Head) bool {
	key, state := "", head != nil && lastword.IsState(head, o.raw)
	l.mu.Lock()
	defer l.mu.Unlock()
	if state || head != nil && len(l.latest) > 0 {
		key = lastword.Key(head)
	}
	at, known := l.latest[key]
	known = known && state
	more := len(o.raw)
	if known {
		more -= len(l.waiting[at].raw)
	}
	if l.reason != nil || l.size > 0 && more > 0 && l.size+more > l.service.cfg.QueueMax {
		return false
	}
	l.size += more
	if known {
		l.waiting[at] = o
		return true
	}
	delete(l.latest, key)
	if state {
		if l.latest == nil {
			l.latest = make(map[string]int)
		}
		l.latest[key] = len(l.waiting)
	}
	l.waiting = append(l.waiting, o)
	l.signal()
	return true
}

// end makes the stream end, once what is queued has been written. The first reason counts.
func (l *link) end(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reason == nil {
		l.reason = reason
		l.signal()
	}
}

func (l *link) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns what is to be written next, and why the stream ends when that is written, if it does.
func (l *link) take() ([]outgoing, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.waiting
	l.waiting, l.latest = nil, nil
	return list, l.reason
}

func (l *link) written(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size -= size
}

// writeMax is about how many bytes are written at once.
const writeMax = 64 << 10

// write writes what is queued until the stream ends. It is the link's writer goroutine, which closes the
// connection and gives back what it could not write.
func (l *link) write() {
	defer l.conn.Close()
	var buf []byte
	for range l.wake {
		list, reason := l.take()
		for len(list) > 0 {
			n := 0
			for buf = buf[:0]; n < len(list) && (n == 0 || len(buf) < writeMax); n++ {
				buf = append(buf, list[n].raw...)
			}
			if err := l.send(buf); err != nil {
				l.end(err)
				l.giveBack(list)
				rest, _ := l.take()
				l.giveBack(rest)
				return
			}
			l.written(len(buf))
			list = list[n:]
		}
		if reason != nil {
			_ = l.send(goodbye(reason)) // who is gone need not hear it
			rest, _ := l.take()
			l.giveBack(rest)
			return
		}
	}
}

func (l *link) send(p []byte) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.service.cfg.WriteTimeout)); err != nil {
		return err
	}
	_, err := l.conn.Write(p)
	return err
}

func (l *link) giveBack(list []outgoing) {
	for _, o := range list {
		if o.to == "" {
			continue // the server's own answer
		}
		l.service.cfg.Undeliverable(o.sender, o.to, o.raw, stanza.ServiceUnavailable)
	}
}

// goodbye is the stream error, if there is one to tell, and the end of the stream.
func goodbye(reason error) []byte {
	const end = "</stream:stream>"
	var condition string
	var told streamError
	var fault *scan.Error
	switch {
	case errors.As(reason, &told):
		condition = string(told)
	case errors.As(reason, &fault):
		condition = string(fault.Condition)
	default:
		return []byte(end)
	}
	return []byte("<stream:error><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>" + end)
}

// read hands the component's stanzas on until the stream ends.
func (l *link) read(in *input) error {
	for {
		head, raw, err := in.next()
		if err != nil {
			return err
		}
		switch head.Kind {
		case scan.StreamEnd, scan.StreamError:
			return errClosed
		case scan.Message, scan.Presence, scan.IQ:
		default:
			return errUnsupported
		}
		mine, err := l.bind(head, raw)
		switch {
		case err != nil:
			return err
		case mine:
			continue
		case l.proof == nil:
			if head, raw, err = scan.Client(head, raw, scan.NSComponent); err != nil {
				return err
			}
		}
		domain, err := l.check(head)
		if err != nil {
			return err
		}
		l.service.cfg.Deliver(domain, head, raw)
	}
}

// check refuses stanzas that come from another domain, or go nowhere (XEP-0114 §3; RFC 6120 §8.1.1.2, §8.1.2.2). It
// returns the domain that the stanza comes from.
func (l *link) check(head scan.Head) (domain string, err error) {
	from, err := jid.Parse(string(head.From))
	if err != nil || !l.service.has(l, from.Domainpart()) {
		return "", errInvalidFrom
	}
	if len(head.To) == 0 {
		return "", errImproper
	}
	return from.Domainpart(), nil
}
