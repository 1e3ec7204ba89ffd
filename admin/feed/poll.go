package feed

import (
	"net/http"
	"time"
)

// pollEvery is how often a polled stream is asked for news.
const pollEvery = 100 * time.Millisecond

// Poll streams what changes returns to one client, asking several times a second: for what is no fact of the bus
// because nobody but the onlooker wants it. It ends when the client or the server leaves, when changes has no
// more, or when allowed says no. An error says that nothing was sent.
func (h *Hub) Poll(w http.ResponseWriter, r *http.Request, changes func() (list []Message, more bool), allowed func() bool) error {
	if h.open.Add(1) > h.limit {
		h.open.Add(-1)
		return ErrFull
	}
	defer h.open.Add(-1)
	startStream(w)
	out := writer{w: w, rc: http.NewResponseController(w)}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for err := out.comment("here"); err == nil; {
		list, more := changes()
		if err = out.send(list); err != nil || !more {
			break
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-h.done:
			return nil
		case <-beat.C:
			if !allowed() {
				_ = out.send([]Message{{Name: "signed-out"}}) // the stream ends either way
				return nil
			}
			err = out.comment("still here")
		case <-time.After(pollEvery):
		}
	}
	return nil
}
