//go:build !unix

package xmpp

// writeOp is one non-blocking write; where there is none, every write takes the slow way.
type writeOp struct{}

func (*writeOp) write(*wire, []byte) (int, error) { return 0, nil }
