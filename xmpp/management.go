package xmpp

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"mellium.im/xmpp/stream"

	"github.com/rolecall/rolecall/xmpp/negotiate"
	"github.com/rolecall/rolecall/xmpp/scan"
)

var errUnanswered = fmt.Errorf("the client does not acknowledge: %w", stream.ConnectionTimeout)

// enableManagement answers a client that wants stream management (XEP-0198 §3).
func (r *request) enableManagement() error {
	if r.from.queue.managed() {
		return r.failManagement() // XEP-0198 §3: only once
	}
	n, err := scan.Parse(r.raw)
	if err != nil {
		return err
	}
	answer, resumable := r.from.prepareManagement(n)
	r.from.handled = 0
	if r.from.startManagement(answer, resumable) == pushedDirty {
		r.batch.dirty = append(r.batch.dirty, r.from)
	}
	return nil
}

// prepareManagement decides on what a client asks for (XEP-0198 §5).
func (c *session) prepareManagement(request *scan.Node) (answer []byte, resumable bool) {
	e := newElement("enabled").attr("xmlns", nsManagement)
	if v := request.Attr("resume"); v != "true" && v != "1" {
		return e.close("enabled").bytes(), false
	}
	limit := c.server.cfg.ResumeTimeout
	if wish, err := strconv.ParseUint(request.Attr("max"), 10, 31); err == nil {
		limit = min(limit, time.Duration(wish)*time.Second)
	}
	r := newResumption(rand.Text(), limit)
	c.resumption.Store(r)
	c.server.resumptions.add(r.token, c)
	e.attr("id", r.token).attr("resume", "true").attr("max", strconv.Itoa(int(limit/time.Second)))
	return e.close("enabled").bytes(), true
}

func (c *session) startManagement(answer []byte, resumable bool) pushed {
	return c.queue.startAcks(answer, resumable, c.server.cfg.MaxDetached, c.askDue)
}

// askDue is called when the client must be asked what it has handled, or has not answered that for too long.
func (c *session) askDue() {
	switch result, lost := c.queue.askDue(); {
	case lost:
		c.lost(c.currentWire(), errUnanswered)
	case result == pushedDirty:
		c.server.flushers.of(c).addOne(c)
	}
}

// failManagement refuses a request of stream management that comes at the wrong time.
func (r *request) failManagement() error {
	const condition = "unexpected-request"
	e := newElement("failed").attr("xmlns", nsManagement)
	return r.answerBare(e.start(condition).attr("xmlns", nsStanzas).close(condition).close("failed").bytes())
}

// answerBare sends the client something that is no stanza.
func (r *request) answerBare(element []byte) error {
	switch r.from.queue.pushBare(r.server.cfg.QueueHard, element) {
	case pushedFull:
		return errQueueFull
	case pushedDirty:
		r.batch.dirty = append(r.batch.dirty, r.from)
	}
	r.from.trace.note(traceOut, r.batch.now(), element)
	return nil
}

// resumeTooLate answers a client that wants to resume another session although it has one (XEP-0198 §5).
func (r *request) resumeTooLate() error { return r.failManagement() }

// tellHandled answers a client that asks how many stanzas were handled (XEP-0198 §4), when what is to last of
// them is stored.
func (r *request) tellHandled() error {
	c := r.from
	if !c.queue.managed() {
		return r.failManagement()
	}
	handled := c.handled
	if c.afterStored(func() { c.sayHandled(handled) }) {
		return nil
	}
	return r.answerBare(handledElement(handled))
}

func handledElement(h uint32) []byte {
	b := append(make([]byte, 0, 64), "<a xmlns='"+nsManagement+"' h='"...)
	return append(strconv.AppendUint(b, uint64(h), 10), "'/>"...)
}

// sayHandled answers from outside of the reader.
func (c *session) sayHandled(h uint32) {
	element := handledElement(h)
	c.trace.note(traceOut, time.Now().UnixNano(), element)
	switch c.queue.pushBare(c.server.cfg.QueueHard, element) {
	case pushedFull:
		c.end(errQueueFull)
	case pushedDirty:
		c.server.flushers.of(c).addOne(c)
	}
}

// acknowledged takes the client's word for what it has handled (XEP-0198 §4).
func (r *request) acknowledged() error {
	if !r.from.queue.managed() {
		return r.failManagement()
	}
	n, err := scan.Parse(r.raw)
	if err != nil {
		return err
	}
	h, err := strconv.ParseUint(n.Attr("h"), 10, 32)
	if err != nil {
		return fmt.Errorf("malformed count: %w", stream.BadFormat)
	}
	if sent, ok := r.from.queue.acknowledge(uint32(h)); !ok {
		return negotiate.TooHigh{Handled: uint32(h), Sent: sent}
	}
	if r.from.catchUp() {
		r.batch.dirty = append(r.batch.dirty, r.from)
	}
	return nil
}

// isLoss reports whether a stream ended because of its connection: not by the client's will, and not for
// what the client did (XEP-0198 §5).
func isLoss(reason error) bool {
	var fault *scan.Error
	var told stream.Error
	var tooHigh negotiate.TooHigh
	switch {
	case errors.Is(reason, errTooSlow), errors.Is(reason, errUnanswered):
		return true
	case errors.Is(reason, errClosed), errors.As(reason, &fault), errors.As(reason, &told), errors.As(reason, &tooHigh):
		return false
	}
	return true
}
