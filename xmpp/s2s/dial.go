package s2s

import (
	"context"
	"net"
	"time"
)

// stagger is how long an address is tried before the next one is tried beside it (RFC 8305 §5).
const stagger = 300 * time.Millisecond

// dial connects to the first address of a target that answers.
func (f *Federation) dial(ctx context.Context, t target) (net.Conn, error) {
	addrs, err := f.addresses(ctx, t)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan dialed, len(addrs))
	started, waiting := 0, 0
	start := func() {
		addr := addrs[started]
		started++
		waiting++
		go func() { answers <- f.dialOne(ctx, addr) }()
	}
	defer func() {
		cancel()
		for range waiting {
			if late := <-answers; late.conn != nil {
				late.conn.Close()
			}
		}
	}()
	start()
	next := time.NewTicker(stagger)
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case a := <-answers:
			waiting--
			if a.err == nil {
				return a.conn, nil
			}
			err = a.err
		}
		switch {
		case started < len(addrs):
			start()
		case waiting == 0:
			return nil, err
		}
	}
}

type dialed struct {
	conn net.Conn
	err  error
}

func (f *Federation) dialOne(ctx context.Context, addr string) dialed {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.DialTimeout)
	defer cancel()
	conn, err := f.cfg.Dial(ctx, "tcp", addr)
	if err == nil && ctx.Err() != nil {
		conn.Close()
		return dialed{err: ctx.Err()}
	}
	return dialed{conn, err}
}
