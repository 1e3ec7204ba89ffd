package store_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/store"
	"github.com/rolecall/rolecall/internal/uc"
)

// crashURL names the variable that makes this test binary the process that is killed.
const crashURL = "ROLECALL_CRASH_URL"

const (
	crashWriters = 8   // users, each with a writer of their own
	crashAcks    = 500 // acknowledgements after which the process is killed
)

// testCrash kills a process in the middle of its writes and looks for everything that it acknowledged;
// and once more with a process that starts on what is left.
func testCrash(t *testing.T, url string) {
	for range 2 {
		acks := killInTheMiddle(t, url)
		checkAcknowledged(t, open(t, url), acks)
	}
}

// ack is one acknowledged write: the user's n-th round, with the identifiers that it was given.
type ack struct {
	user           uc.UserID
	n              int
	message, entry int64
}

const ackForm = "ack %d %d %d %d\n"

func killInTheMiddle(t *testing.T, url string) []ack {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	cmd.Env = append(os.Environ(), crashURL+"="+url)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acks []ack
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var a ack
		if _, err := fmt.Sscanf(lines.Text()+"\n", ackForm, &a.user, &a.n, &a.message, &a.entry); err != nil {
			t.Errorf("child: %s", lines.Text())
			continue
		}
		if acks = append(acks, a); len(acks) == crashAcks {
			if err := cmd.Process.Kill(); err != nil { // what it acknowledged until then still comes
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); len(acks) < crashAcks {
		t.Fatalf("the child ended after %d acknowledgements: %v\n%s", len(acks), err, stderr.String())
	}
	return acks
}

// TestCrashChild writes until it is killed.
func TestCrashChild(t *testing.T) {
	url := os.Getenv(crashURL)
	if url == "" {
		t.Skip("only as the child of testCrash")
	}
	s := open(t, url)
	d, err := directory.Open(t.Context(), s, bus.New(), directory.Options{Iterations: 16})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range crashWriters {
		wg.Go(func() { crashWriter(t, s, d, fmt.Sprintf("user%d", i)) })
	}
	wg.Wait()
}

// crashWriter writes one round after the other: a live switch, an offline message, a profile state.
func crashWriter(t *testing.T, s *store.Store, d *directory.Directory, login string) {
	ctx := t.Context()
	if d.Snapshot().UserByLogin(login) == nil {
		if _, err := d.AddUser(ctx, uc.System, uc.NewUser{User: uc.User{Login: login, Name: login, Auth: uc.AuthNone}}); err != nil {
			t.Error(err)
			return
		}
	}
	a := ack{user: d.Snapshot().UserByLogin(login).ID}
	_, _ = fmt.Sscanf(d.Snapshot().State(a.user).StatusText, "round %d", &a.n)
	for {
		a.n++
		text := fmt.Sprintf("round %d", a.n)
		_, err := d.SetStatusText(ctx, uc.System, a.user, text)
		if err == nil {
			var ids []int64
			if ids, err = s.AddOffline(ctx, []uc.OfflineMessage{{User: a.user, At: time.Now(), Stanza: []byte(text)}}); err == nil {
				a.message = ids[0]
			}
		}
		if err == nil {
			entry := uc.JournalEntry{User: a.user, Reason: text}
			a.entry, err = s.SaveProfileState(ctx, uc.ProfileState{User: a.user, Version: uint64(a.n)}, &entry)
		}
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprintf(os.Stdout, ackForm, a.user, a.n, a.message, a.entry)
	}
}

func checkAcknowledged(t *testing.T, s *store.Store, acks []ack) {
	t.Helper()
	messages, entries, last := map[int64]string{}, map[int64]string{}, map[uc.UserID]int{}
	for _, a := range acks {
		messages[a.message], entries[a.entry] = fmt.Sprintf("round %d", a.n), fmt.Sprintf("round %d", a.n)
		last[a.user] = max(last[a.user], a.n)
	}
	for user := range last {
		list, err := s.Offline(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			found(t, messages, m.ID, string(m.Stanza))
		}
		journal, err := s.Journal(t.Context(), uc.JournalQuery{User: user, Limit: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range journal {
			found(t, entries, e.ID, e.Reason)
		}
	}
	if len(messages) > 0 || len(entries) > 0 {
		t.Errorf("lost: %d messages and %d journal entries of %d", len(messages), len(entries), len(acks))
	}
	checkLastRounds(t, s, last)
}

// found takes what is stored off the list of what must be.
func found(t *testing.T, must map[int64]string, id int64, text string) {
	t.Helper()
	if want, acked := must[id]; acked && want != text {
		t.Errorf("%d is %q, was acknowledged as %q", id, text, want)
	}
	delete(must, id)
}

// checkLastRounds checks the values that each round overwrites.
func checkLastRounds(t *testing.T, s *store.Store, last map[uc.UserID]int) {
	t.Helper()
	tables, _, version, err := s.LoadDirectory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := uc.NewDirectory(version, tables)
	states, err := s.ProfileStates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for user, n := range last {
		var got int
		if _, err := fmt.Sscanf(dir.State(user).StatusText, "round %d", &got); err != nil || got < n {
			t.Errorf("user %d: status text %q, acknowledged round %d", user, dir.State(user).StatusText, n)
		}
	}
	for _, st := range states {
		if int(st.Version) < last[st.User] {
			t.Errorf("user %d: profile state of round %d, acknowledged %d", st.User, st.Version, last[st.User])
		}
	}
	if len(last) != crashWriters || len(states) != crashWriters || !strings.HasPrefix(dir.Users.Get(states[0].User).Login, "user") {
		t.Errorf("%d users acknowledged, %d profile states", len(last), len(states))
	}
}
