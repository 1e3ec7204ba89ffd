package s2s

import "context"

// share is what one sender takes up of what all senders have in common. All of it but turns is under Federation.mu.
//
// Nobody gets more than is then left to the others: somebody alone half of it, two a third each. So who sends to domains that do
// not answer keeps nobody else from sending, and whoever has nothing there gets in while there is any room at all.
type share struct {
	size   int           // bytes of stanzas that are not written, of all routes
	routes int           // that exist because of this sender
	turns  chan struct{} // a token for each stream that is being opened for the sender
}

// fair reports whether somebody who has a part of all that there is may get more, up to a limit for all.
func fair(part, all, more, limit int) bool {
	left := limit - all - more
	return more <= 0 || left >= 0 && (part == 0 || part+more <= left)
}

// shareOf returns the share of a sender, a new one if nothing is held for it.
func (f *Federation) shareOf(sender string) *share {
	if s := f.shares[sender]; s != nil {
		return s
	}
	return &share{turns: make(chan struct{}, max(1, f.cfg.MaxConnecting/4))}
}

// keepShare remembers a share for as long as it has something.
func (f *Federation) keepShare(sender string, s *share) {
	if s.size == 0 && s.routes == 0 {
		delete(f.shares, sender)
	} else {
		f.shares[sender] = s
	}
}

// admits reports whether there is room for more bytes of a sender on a route, which may be new.
func (f *Federation) admits(r *route, sender string, more int) bool {
	s := f.shareOf(sender)
	return fair(r.sizes[sender], r.size, more, f.cfg.MaxQueue) && fair(s.size, f.size, more, f.cfg.MaxQueued) &&
		(f.routes[r.pair] == r || fair(s.routes, len(f.routes), 1, f.cfg.MaxRoutes))
}

// count notes that more bytes of a sender wait, or fewer.
func (f *Federation) count(r *route, sender string, n int) {
	f.size += n
	r.size += n
	if r.sizes == nil {
		r.sizes = make(map[string]int)
	}
	if r.sizes[sender] += n; r.sizes[sender] == 0 {
		delete(r.sizes, sender)
	}
	s := f.shareOf(sender)
	s.size += n
	f.keepShare(sender, s)
}

// addRoute puts a route in the table, because of a sender; because of the other side if that is empty.
func (f *Federation) addRoute(r *route, sender string) {
	f.routes[r.pair] = r
	if r.owner = sender; sender != "" {
		s := f.shareOf(sender)
		s.routes++
		f.keepShare(sender, s)
	}
}

func (f *Federation) removeRoute(r *route) {
	delete(f.routes, r.pair)
	if r.owner != "" {
		s := f.shareOf(r.owner)
		s.routes--
		f.keepShare(r.owner, s)
	}
}

// await takes a token, which the caller gives back.
func await(ctx context.Context, tokens chan struct{}) error {
	select {
	case tokens <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
