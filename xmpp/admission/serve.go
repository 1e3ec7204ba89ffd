package admission

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// afterFailure is how long Serve waits when it could not accept.
const afterFailure = 50 * time.Millisecond

// Serve accepts connections and calls start with each that the gate lets in, as Enter does; the others are closed. It
// returns nil when ctx ends or after Close, and otherwise the error of the listener when that was closed by somebody
// else. Then the listener is closed. What keeps one connection from being accepted is logged, and the next one is waited for.
func (g *Gate) Serve(ctx context.Context, l net.Listener, log *slog.Logger, start func(net.Conn, *Place)) error {
	defer l.Close()
	if !g.watch(l) {
		return nil
	}
	defer g.unwatch(l)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			if !g.Enter(AddressOf(conn), func(place *Place) { start(conn, place) }) {
				conn.Close()
			}
		case ctx.Err() != nil || g.isClosed():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			// Out of descriptors, or the other side was gone before it was accepted: others may come.
			log.Warn("admission: cannot accept", "listener", l.Addr().String(), "cause", err)
			select {
			case <-time.After(afterFailure):
			case <-ctx.Done():
			}
		}
	}
}

// watch has the listener closed by Close, unless that has been.
func (g *Gate) watch(l net.Listener) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.listeners[l] = struct{}{}
	return true
}

func (g *Gate) unwatch(l net.Listener) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.listeners, l)
}

func (g *Gate) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}
