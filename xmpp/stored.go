package xmpp

// What a client may take for an acknowledgement must not come before what it acknowledges is stored
// (docs/adr/0007). Messages for archives, for users who are away and what is said in rooms wait in lines for that, so
// whoever acknowledges waits for the places up to which the lines hold what the client has sent.

// afterStored calls f when all that the client has sent is stored. If it is already, it does nothing and
// returns false. It is the reader's.
func (c *session) afterStored(f func()) bool {
	s, filed, roomed := c.server, c.filed, c.roomed
	inRooms := func() {
		if !s.rooms.After(roomed, f) {
			f()
		}
	}
	inArchives := func() {
		if s.archive == nil || !s.archive.after(filed, inRooms) {
			inRooms()
		}
	}
	if s.keeping.after(c.kept, inArchives) || s.archive != nil && s.archive.after(filed, inRooms) {
		return true
	}
	return s.rooms.After(roomed, f)
}

// awaitStored waits until all that the client has sent is stored. What it has sent to others goes out before.
func (r *request) awaitStored() {
	if r.from.afterStored(func() {}) {
		r.batch.flush()
		r.from.awaitStored()
	}
}

// awaitStored is the same between two requests. It is the reader's.
func (c *session) awaitStored() {
	c.server.keeping.await(c.kept)
	if c.server.archive != nil {
		c.server.archive.await(c.filed)
	}
	c.server.rooms.Await(c.roomed)
}
