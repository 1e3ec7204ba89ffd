package script

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// Stream is a party to an XML stream (RFC 6120 §4) that says just what its script tells it to. A message is a stream header,
// a whole element, or the end of the stream. Conn may be replaced between two messages, by TLS on top of it.
type Stream struct {
	Conn net.Conn

	buf []byte
}

// Close implements Transport.
func (s *Stream) Close() error { return s.Conn.Close() }

// Send implements Transport.
func (s *Stream) Send(_ context.Context, message string) error {
	_, err := io.WriteString(s.Conn, message)
	return err
}

// Receive implements Transport.
func (s *Stream) Receive(ctx context.Context) (string, error) {
	deadline, _ := ctx.Deadline()
	if err := s.Conn.SetReadDeadline(deadline); err != nil {
		return "", err
	}
	for {
		if n := messageEnd(s.buf); n > 0 {
			message := string(s.buf[:n])
			s.buf = s.buf[n:]
			return message, nil
		}
		var chunk [4096]byte
		n, err := s.Conn.Read(chunk[:])
		s.buf = append(s.buf, chunk[:n]...)
		if n == 0 && err != nil {
			return "", errors.Join(err, fmt.Errorf("after %q", s.buf))
		}
	}
}

// messageEnd returns where the first message of b ends, or 0.
func messageEnd(b []byte) int {
	const header, end = "<stream:stream", "</stream:stream>"
	if bytes.HasPrefix(b, []byte(end)) {
		return len(end)
	}
	if bytes.HasPrefix(b, []byte("<?xml")) || bytes.HasPrefix(b, []byte(header)) {
		at := bytes.Index(b, []byte(header))
		return at + bytes.IndexByte(b[max(at, 0):], '>') + 1
	}
	d := xml.NewDecoder(io.MultiReader(strings.NewReader("<stream:stream>"), bytes.NewReader(b)))
	depth := 0
	for {
		tok, err := d.Token()
		if err != nil {
			return 0
		}
		switch tok.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			if depth--; depth == 1 {
				return int(d.InputOffset()) - len("<stream:stream>")
			}
		}
	}
}
