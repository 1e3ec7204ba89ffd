//go:build !linux

package xmpp

// watch is for Linux only: elsewhere every session keeps its reader.
type watch struct{}

func (*watch) add(*session) bool { return false }
func (*watch) forget(*session)   {}
