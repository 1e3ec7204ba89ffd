//go:build !unix

package xmpp

// descriptors returns how many files and connections the process may have open at a time.
func descriptors() uint64 { return 1 << 20 }
