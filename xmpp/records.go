package xmpp

// records follows the records of TLS (RFC 8446 §5.1) in what a socket has yielded, so that a reader knows whether
// there is one that TLS holds whole and has not been asked for.
type records struct {
	follows bool // from the first record of a handshake on
	head    [recordHeader]byte
	headLen int // how much of the head of the current record has come
	left    int // how much of its content is still to come
	whole   int // records that have come whole and may not have been used
}

// recordHeader is the length of what comes before the content: the type, the version and the length.
const recordHeader = 5

// recordHandshake is the type of a handshake record. No stream of XML begins with it.
const recordHandshake = 22

// got notes what the socket has yielded.
func (r *records) got(p []byte) {
	if !r.follows {
		if len(p) == 0 || p[0] != recordHandshake {
			return
		}
		r.follows = true
	}
	for len(p) > 0 {
		if r.left > 0 {
			n := min(r.left, len(p))
			p = p[n:]
			if r.left -= n; r.left == 0 {
				r.whole++
			}
			continue
		}
		n := copy(r.head[r.headLen:], p)
		p = p[n:]
		if r.headLen += n; r.headLen == recordHeader {
			r.headLen, r.left = 0, int(r.head[3])<<8|int(r.head[4])
		}
	}
}

// used notes that TLS has yielded the content of a record.
func (r *records) used() { r.whole = max(r.whole-1, 0) }

// usedAll notes that TLS wants more than it has.
func (r *records) usedAll() { r.whole = 0 }

// none reports whether TLS has yielded all that it could.
func (r *records) none() bool { return r.follows && r.whole == 0 }
