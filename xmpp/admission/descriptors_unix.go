//go:build unix

package xmpp

import "syscall"

// descriptors returns how many files and connections the process may have open at a time.
func descriptors() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1 << 20
	}
	return uint64(limit.Cur) //nolint:unconvert // signed on some systems
}
