package xmpp

import (
	"math/rand/v2"
	"testing"
)

// tlsRecord is a record with n bytes of content.
func tlsRecord(typ byte, n int) []byte {
	return append([]byte{typ, 3, 3, byte(n >> 8), byte(n)}, make([]byte, n)...)
}

// TestRecords come in pieces of any length.
func TestRecords(t *testing.T) {
	for range 500 {
		stream := tlsRecord(recordHandshake, 1+rand.IntN(600))
		ends := []int{len(stream)}
		for range 1 + rand.IntN(10) {
			stream = append(stream, tlsRecord(23, 17+rand.IntN(300))...)
			ends = append(ends, len(stream))
		}
		var r records
		if r.none() {
			t.Fatal("nothing is left, but nothing has come")
		}
		used := 0
		for at := 0; at < len(stream); {
			n := min(1+rand.IntN(200), len(stream)-at)
			r.got(stream[at : at+n])
			at += n
			whole := 0
			for _, end := range ends {
				if end <= at {
					whole++
				}
			}
			if r.whole != whole-used {
				t.Fatalf("%d records are there at byte %d, want %d", r.whole, at, whole-used)
			}
			if got := r.none(); got != (whole == used) {
				t.Fatalf("none() = %t with %d records of which %d are used", got, whole, used)
			}
			switch rand.IntN(4) {
			case 0:
				r.usedAll()
				used = whole
			case 1:
				r.used()
				used = min(used+1, whole)
			}
		}
	}
}

// TestRecordsUnknown: of what does not begin with a handshake nothing is known, so it may always have more.
func TestRecordsUnknown(t *testing.T) {
	var r records
	r.got([]byte("<?xml version='1.0'?>"))
	if r.used(); r.none() {
		t.Error("nothing is left of a stream that is not followed")
	}
	r.got(tlsRecord(recordHandshake, 10))
	if r.used(); !r.none() {
		t.Error("a handshake that begins behind it is not followed")
	}
}

// FuzzRecords takes any bytes.
func FuzzRecords(f *testing.F) {
	f.Add(tlsRecord(recordHandshake, 40), 3)
	f.Add(tlsRecord(recordHandshake, 0), 1)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		var whole, pieces records
		whole.got(stream)
		piece = max(piece, 1)
		for rest := stream; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			pieces.got(rest[:min(piece, len(rest))])
			if !pieces.follows {
				return // decided by the first byte of a read
			}
		}
		if whole.whole != pieces.whole || whole.none() != pieces.none() {
			t.Errorf("%d records at once, %d in pieces", whole.whole, pieces.whole)
		}
	})
}
