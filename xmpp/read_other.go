//go:build !unix

package xmpp

import (
	"errors"
	"syscall"
)

type parkedRead struct{ waited bool }

func (*parkedRead) read(syscall.RawConn) ([]byte, error) { return nil, errors.ErrUnsupported }

type polledRead struct{}

func (*polledRead) read(syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }
