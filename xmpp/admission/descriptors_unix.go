//go:build unix

package admission

import "syscall"

// Descriptors returns how many files and connections the process may have open at a time.
func Descriptors() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1 << 20
	}
	return uint64(limit.Cur) //nolint:unconvert // signed on some systems
}
