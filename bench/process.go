package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server under test with all its children, on the first processor.
type process struct {
	cmd *exec.Cmd
	log bytes.Buffer
}

// launch starts a server in a process group of its own, in the folder dir.
func launch(dir string, env []string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command("taskset", append([]string{"-c", "0", name}, args...)...)} //nolint:noctx // ended by stop
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	return p, p.cmd.Start()
}

// stop ends the process group, by force if it does not end by itself.
func (p *process) stop() {
	group := -p.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM) // may have ended already
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-done
	}
}

// pids lists the running processes of the group.
func (p *process) pids() []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var pids []int
	for _, file := range stats {
		fields := statFields(file)
		if len(fields) > 2 && fields[2] == strconv.Itoa(p.cmd.Process.Pid) && fields[0] != "Z" { // that has ended
			pid, err := strconv.Atoi(strings.Split(file, "/")[2])
			if err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// statFields returns the fields of /proc/<pid>/stat behind the name: state, ppid, pgrp, …
func statFields(file string) []string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
}

// cpu returns the processor time that the group has used. The kernel counts it in hundredths of a second.
func (p *process) cpu() time.Duration {
	var ticks int64
	for _, pid := range p.pids() {
		if fields := statFields(fmt.Sprintf("/proc/%d/stat", pid)); len(fields) > 12 {
			for _, f := range fields[11:13] { // utime, stime
				n, err := strconv.ParseInt(f, 10, 64)
				if err == nil {
					ticks += n
				}
			}
		}
	}
	return time.Duration(ticks) * time.Second / 100
}

// memory returns the group's resident memory in bytes.
func (p *process) memory() int64 {
	var pages int64
	for _, pid := range p.pids() {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			continue
		}
		var size, resident int64
		if _, err := fmt.Sscan(string(raw), &size, &resident); err == nil {
			pages += resident
		}
	}
	return pages * int64(os.Getpagesize())
}

// freePorts returns ports that were free on loopback a moment ago, no two the same.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		ports[i] = ln.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// waitListening waits until something accepts connections.
func (p *process) waitListening(ctx context.Context, address string) error {
	for range 600 {
		if len(p.pids()) == 0 {
			return errors.New("it has ended")
		}
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("nothing listens at %s", address)
}
