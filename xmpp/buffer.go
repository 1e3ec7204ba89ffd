package xmpp

import "sync"

// The sizes of pooled buffers. Bigger ones are left to the garbage collector.
const (
	writeSize = 4 << 10  // of a new buffer of a queue
	keepSize  = 64 << 10 // up to which a queue's buffer is used again
	readSize  = 8 << 10  // of a buffer to read into
)

// box carries a buffer through a pool. Empty boxes have a pool of their own, so that neither way allocates.
type box struct{ b []byte }

var (
	boxes        = sync.Pool{New: func() any { return new(box) }}
	writeBuffers = sync.Pool{New: func() any { return &box{make([]byte, 0, writeSize)} }}
	readBuffers  = sync.Pool{New: func() any { return &box{make([]byte, 0, readSize)} }}
)

func take(pool *sync.Pool) []byte {
	x := pool.Get().(*box) //nolint:errcheck // the pool holds nothing else
	b := x.b
	x.b = nil
	boxes.Put(x)
	return b[:0]
}

func give(pool *sync.Pool, b []byte) {
	x := boxes.Get().(*box) //nolint:errcheck // the pool holds nothing else
	x.b = b
	pool.Put(x)
}

func takeBuffer() []byte { return take(&writeBuffers) }

func giveBuffer(b []byte) {
	if cap(b) >= writeSize && cap(b) <= keepSize {
		give(&writeBuffers, b)
	}
}

func takeReadBuffer() []byte { return take(&readBuffers) }

func giveReadBuffer(b []byte) {
	if cap(b) == readSize {
		give(&readBuffers, b)
	}
}
