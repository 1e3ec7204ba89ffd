//go:build !linux

package xmpp

import "errors"

// idleWatch is for Linux only: elsewhere every session keeps its reader.
type idleWatch struct{}

func (*idleWatch) watch(*Server, *session) error { return errors.ErrUnsupported }
func (*idleWatch) forget(*session)               {}
