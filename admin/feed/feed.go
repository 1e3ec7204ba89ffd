// Package feed sends server-sent events (WHATWG HTML §9.2) to browsers and scripts: first the state as
// it is, then changes. What changes is read from a bus reader per client; a client that falls behind is
// given the whole state again, one that no longer reads is dropped.
//
// It starts no goroutine: [Hub.Serve] runs in the goroutine of its request and ends with it, with the
// hub or with the client's right to listen.
package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

const (
	queueLimit   = 1024                   // events that wait for one client
	heartbeat    = 15 * time.Second       // keeps proxies from closing a silent stream
	writeTimeout = 10 * time.Second       // a client that does not read for so long is dropped
	gather       = 100 * time.Millisecond // least time between two writes of changes
)

// Message is one event as it is sent: a name and a value that becomes JSON.
type Message struct {
	Name string
	Data any
}

// View makes messages of facts for one client. Its methods are called from one goroutine.
type View interface {
	// All returns the whole state.
	All() []Message
	// Take notes an event of the bus.
	Take(uc.Event)
	// Changes returns what is new since All or Changes was last called.
	Changes() []Message
}

// Hub serves streams until it is closed.
type Hub struct {
	bus   *bus.Bus
	done  chan struct{} // closed by Close
	once  sync.Once
	open  atomic.Int64
	limit int64
}

// NewHub makes a hub that serves at most limit streams at once.
func NewHub(b *bus.Bus, limit int) *Hub {
	return &Hub{bus: b, done: make(chan struct{}), limit: int64(limit)}
}

// Close ends all streams.
func (h *Hub) Close() { h.once.Do(func() { close(h.done) }) }

// ErrFull says that there are as many streams as allowed.
var ErrFull = uc.Errorf(uc.ErrUnavailable, "Too many live connections are open. Try again later.")

// Stream is what one client is sent.
type Stream struct {
	View    View
	Facts   []uc.Event  // samples of the events that View takes
	Allowed func() bool // asked at every heartbeat; false ends the stream with a message "signed-out"
}

// Serve streams to one client until it or the server leaves. An error says that nothing was sent.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, s Stream) error {
	if h.open.Add(1) > h.limit {
		h.open.Add(-1)
		return ErrFull
	}
	defer h.open.Add(-1)
	reader := h.bus.Subscribe(queueLimit, s.Facts...) // before the state is read, so that nothing is missed
	defer reader.Close()
	startStream(w)
	out := writer{w: w, rc: http.NewResponseController(w)}
	if out.send(s.View.All()) == nil {
		s.follow(r.Context(), h.done, reader, &out)
	}
	return nil
}

func startStream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx must pass events on at once
}

// follow sends changes until the context ends, done is closed, or the client is gone or no longer allowed.
func (s *Stream) follow(ctx context.Context, done <-chan struct{}, reader *bus.Reader, out *writer) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-done:
			return
		case <-reader.Ready():
			if err = out.send(s.drain(reader)); err == nil {
				err = pause(ctx, gather)
			}
		case <-beat.C:
			if !s.Allowed() {
				_ = out.send([]Message{{Name: "signed-out"}}) // the stream ends either way
				return
			}
			err = out.comment("still here")
		}
		if err != nil {
			return
		}
	}
}

// drain takes all that waits in the reader's queue.
func (s *Stream) drain(reader *bus.Reader) []Message {
	lost := false
	for {
		e, err, more := reader.TryNext()
		switch {
		case !more && lost:
			return s.View.All()
		case !more:
			return s.View.Changes()
		case errors.Is(err, bus.ErrOverflow):
			lost = true
		default:
			s.View.Take(e)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writer writes messages to a client, each batch under a deadline.
type writer struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (o *writer) send(list []Message) error {
	var b bytes.Buffer
	for _, m := range list {
		data, err := json.Marshal(m.Data)
		if err != nil {
			return err
		}
		b.WriteString("event: " + m.Name + "\ndata: ")
		b.Write(data) // JSON holds no line breaks
		b.WriteString("\n\n")
	}
	if b.Len() == 0 {
		return nil
	}
	return o.write(b.Bytes())
}

func (o *writer) comment(text string) error { return o.write([]byte(": " + text + "\n\n")) }

func (o *writer) write(b []byte) error {
	// A connection without deadlines (in tests) writes without one.
	if err := o.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	// Silence is no failure: HTTP/2 ends a stream at its deadline whether something is written or not.
	defer func() { _ = o.rc.SetWriteDeadline(time.Time{}) }()
	if _, err := o.w.Write(b); err != nil {
		return err
	}
	return o.rc.Flush()
}
