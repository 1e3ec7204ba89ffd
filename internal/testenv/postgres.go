// Package testenv starts real servers for tests: each on a free port or socket of its own, with its data
// in a temporary folder, stopped by its process when the test ends. A program that is missing fails the
// test. Each server has one goroutine, which ends with the server.
package testenv

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// startLimit is how long a server may take until it is ready.
const startLimit = 60 * time.Second

// Postgres is a PostgreSQL server that listens on a Unix socket only.
type Postgres struct {
	bin, dir  string
	as        *syscall.SysProcAttr
	databases atomic.Int64
}

// StartPostgres starts a PostgreSQL server with an empty cluster. It refuses to run as root, so under
// root it runs as the user postgres.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg") // not t.TempDir: the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	p := &Postgres{bin: postgresBin(t), dir: dir, as: postgresUser(t, dir)}
	p.run(t, "initdb", "-D", p.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	p.serve(t)
	return p
}

// Database makes an empty database and returns its URL.
func (p *Postgres) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", p.databases.Add(1))
	p.run(t, "createdb", "-h", p.dir, "-U", "postgres", name)
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + name, RawQuery: url.Values{"host": {p.dir}}.Encode()}
	return u.String()
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *Postgres) command(program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(p.bin, program), args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = p.as
	return cmd
}

func (p *Postgres) run(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := p.command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// serve starts the server, waits until it is ready, and stops it after the test.
func (p *Postgres) serve(t testing.TB) {
	t.Helper()
	cmd := p.command("postgres", "-D", p.data(), "-k", p.dir, "-c", "listen_addresses=", "-c", "fsync=off")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	started := make(chan error, 1)
	var log strings.Builder // read after ended
	go func() {
		defer close(ended)
		// The server dies with the thread that started it, should the test binary be killed.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		announced := false
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(&log, lines.Text())
			if !announced && strings.Contains(lines.Text(), "ready to accept connections") {
				announced = true
				close(ready)
			}
		}
		_ = cmd.Wait() // stopped by a signal
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // fast shutdown
		<-ended
	})
	select {
	case <-ready:
	case <-ended:
		t.Fatalf("postgres ended at its start:\n%s", log.String())
	case <-time.After(startLimit):
		t.Fatal("postgres was not ready in time")
	}
}

// postgresBin finds the programs of the newest PostgreSQL installed.
func postgresBin(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("PostgreSQL is not installed: /usr/lib/postgresql/*/bin/postgres is missing (Debian package postgresql)")
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // 0 sorts last
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }))
}

// postgresUser returns as whom the programs run, and gives them the folder.
func postgresUser(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() != 0 {
		return attr
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
	if uerr != nil || gerr != nil {
		t.Fatalf("user postgres has the ids %s and %s", u.Uid, u.Gid)
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr
}
