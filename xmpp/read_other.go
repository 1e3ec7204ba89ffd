//go:build !unix

package xmpp

import (
	"errors"
	"syscall"
)

type polledRead struct{}

func (*polledRead) read(syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }
