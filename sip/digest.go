package sip

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/icholy/digest"
)

// nonceLife is how long a nonce may be used. A phone that comes back later is told stale=true and goes
// on with a new one without asking its owner.
const nonceLife = 5 * time.Minute

// verdict is what became of a digest.
type verdict uint8

const (
	verdictWrong verdict = iota
	verdictStale         // right secret, but the nonce is too old or was used with this nc
	verdictGood
)

// digestServer checks digest credentials (RFC 7616). Its nonces need no memory: time, random and a MAC
// over both. What it remembers is which counts of a good nonce were used, until the nonce is too old.
type digestServer struct {
	realm      string
	algorithms []string // offered in this order
	secret     []byte
	now        func() time.Time
	used       nonceCounts
}

func newDigestServer(realm string, algorithms []string, secret []byte, now func() time.Time) *digestServer {
	return &digestServer{realm: realm, algorithms: algorithms, secret: secret, now: now}
}

// challenges returns the values of WWW-Authenticate or Proxy-Authenticate, one for each algorithm.
func (d *digestServer) challenges(stale bool) []string {
	nonce := d.nonce()
	values := make([]string, len(d.algorithms))
	for i, algorithm := range d.algorithms {
		c := digest.Challenge{Realm: d.realm, Nonce: nonce, Stale: stale, Algorithm: algorithm, QOP: []string{"auth"}}
		values[i] = c.String()
	}
	return values
}

// The parts of a nonce, in bytes.
const (
	nonceHead = 16 // time in ms, random
	nonceMAC  = 16
)

func (d *digestServer) nonce() string {
	var raw [nonceHead]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(d.now().UnixMilli()))
	rand.Read(raw[8:]) //nolint:errcheck // never fails
	return base64.RawURLEncoding.EncodeToString(append(raw[:], d.mac(raw[:])...))
}

func (d *digestServer) mac(head []byte) []byte {
	m := hmac.New(sha256.New, d.secret)
	m.Write(head)
	return m.Sum(nil)[:nonceMAC]
}

// open returns the head of a nonce of ours and whether it is young enough.
func (d *digestServer) open(nonce string) (head [nonceHead]byte, ours, young bool) {
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != nonceHead+nonceMAC || !hmac.Equal(raw[nonceHead:], d.mac(raw[:nonceHead])) {
		return head, false, false
	}
	head = [nonceHead]byte(raw)
	age := d.now().Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(head[:8]))))
	return head, true, age >= -time.Minute && age < nonceLife
}

// check checks an Authorization value for a method. secret is the user's; for a user who does not exist
// the caller passes any text and known false, so that both take the same time and the same way.
func (d *digestServer) check(cred *digest.Credentials, method, secret string, known bool) verdict {
	head, ours, young := d.open(cred.Nonce)
	if !ours || cred.Realm != d.realm {
		return verdictWrong
	}
	want, err := digest.Digest(
		&digest.Challenge{Realm: d.realm, Nonce: cred.Nonce, Algorithm: cred.Algorithm, QOP: qopOf(cred)},
		digest.Options{Method: method, URI: cred.URI, Username: cred.Username, Password: secret, Cnonce: cred.Cnonce, Count: cred.Nc})
	if err != nil || !d.offers(cred.Algorithm) {
		return verdictWrong
	}
	same := subtle.ConstantTimeCompare([]byte(want.Response), []byte(strings.ToLower(cred.Response))) == 1
	switch {
	case !same || !known:
		return verdictWrong
	case !young || !d.used.take(head, uint32(max(cred.Nc, 1)), d.now()):
		return verdictStale
	}
	return verdictGood
}

// qopOf is the quality of protection that the client chose. Clients of RFC 2069 know none; their nonces
// count as used after the first request.
func qopOf(cred *digest.Credentials) []string {
	if cred.QOP == "" {
		return nil
	}
	return []string{cred.QOP}
}

func (d *digestServer) offers(algorithm string) bool {
	if algorithm == "" {
		algorithm = "MD5" // RFC 7616 §3.3
	}
	return slices.ContainsFunc(d.algorithms, func(a string) bool { return strings.EqualFold(a, algorithm) })
}

// nonceCounts remembers which counts were used with which nonce, so that a request that was overheard
// cannot be sent again (RFC 7616 §5.4). Only requests with the right secret get in. Two generations,
// each as long as a nonce lives, are kept. The zero value is ready.
type nonceCounts struct {
	mu       sync.Mutex
	young    map[[nonceHead]byte]*countWindow
	old      map[[nonceHead]byte]*countWindow
	turnedAt time.Time
}

// countWindow tells which of the last 64 counts up to the highest were seen.
type countWindow struct {
	highest uint32
	seen    uint64 // bit i: highest-i was seen
}

// take marks a count as used; false means that it was before, or is too far behind to tell.
func (n *nonceCounts) take(nonce [nonceHead]byte, count uint32, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.turnedAt) >= nonceLife {
		n.old, n.young, n.turnedAt = n.young, make(map[[nonceHead]byte]*countWindow), now
	}
	w := n.young[nonce]
	if w == nil {
		if w = n.old[nonce]; w == nil {
			w = &countWindow{}
		}
		n.young[nonce] = w
	}
	return w.take(count)
}

func (w *countWindow) take(count uint32) bool {
	if count > w.highest {
		if shift := count - w.highest; shift < 64 {
			w.seen = w.seen<<shift | 1
		} else {
			w.seen = 1
		}
		w.highest = count
		return true
	}
	behind := w.highest - count
	if behind >= 64 || w.seen&(1<<behind) != 0 {
		return false
	}
	w.seen |= 1 << behind
	return true
}
