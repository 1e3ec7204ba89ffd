// Package upload keeps files that people send one another (XEP-0363): it gives out slots, takes one file for
// each over HTTP, serves it to who knows its address, and deletes it when its time is over.
//
// A file lies in the folder of its owner under its token, 130 random bits that are also in its address: a line of
// JSON that describes it, then the content. It gets that name when it is complete and on the disk, so a crash
// leaves whole files only. Slots are in memory; after a restart clients ask for new ones.
//
// The only goroutine is the caller's of [Store.Run], which deletes what has expired.
package upload

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// The limits that are not settings.
const (
	slotLife  = 10 * time.Minute // to begin the upload
	maxSlots  = 32               // of one user, unused
	maxName   = 200              // bytes of a file's name
	maxType   = 100              // bytes of a content type
	maxFiles  = 10000            // of one user
	sweepTime = 10 * time.Minute // between two sweeps
)

// Config says what may be kept.
type Config struct {
	Dir     string           // it is made if it does not exist
	URL     string           // address at which Handler is reached, without a slash at the end
	MaxFile int64            // bytes of a file
	Quota   int64            // bytes of all files of one user
	Keep    time.Duration    // how long a file is kept
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger
}

// File is what a client wants to upload.
type File struct {
	Name string
	Size int64
	Type string // content type; may be empty
}

// TooLarge says that a file is bigger than any may be.
type TooLarge struct{ Max int64 }

// Error says so.
func (e TooLarge) Error() string {
	return fmt.Sprintf("the file is too large; the largest has %d bytes", e.Max)
}

// QuotaReached says that a user has no room for a file before Retry.
type QuotaReached struct{ Retry time.Time }

// Error says so.
func (e QuotaReached) Error() string { return "your room for files is full" }

// Store keeps the files.
type Store struct {
	cfg Config

	mu    sync.Mutex
	slots map[string]*slot // by token
	files map[string]uc.UserID
	users map[uc.UserID]*usage
}

// slot is leave to upload one file.
type slot struct {
	user    uc.UserID
	file    File
	expires time.Time
	busy    bool // an upload is going on
}

// stored is a file on the disk.
type stored struct {
	size  int64 // on the disk
	since time.Time
}

// usage is what a user has.
type usage struct {
	bytes int64 // of files and slots
	slots int
	files map[string]stored // by token
}

// Open reads which files there are and removes what an upload that was cut off has left.
func Open(cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Store{cfg: cfg, slots: map[string]*slot{}, files: map[string]uc.UserID{}, users: map[uc.UserID]*usage{}}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	folders, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		if user, err := strconv.ParseInt(folder.Name(), 10, 64); err == nil && folder.IsDir() {
			if err := s.openFolder(uc.UserID(user)); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

func (s *Store) openFolder(user uc.UserID) error {
	entries, err := os.ReadDir(s.folder(user))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), partial) {
			if err := os.Remove(filepath.Join(s.folder(user), e.Name())); err != nil {
				return err
			}
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		s.add(user, e.Name(), stored{size: info.Size(), since: info.ModTime()})
	}
	return nil
}

// partial ends the name of a file that is not complete.
const partial = ".part"

func (s *Store) folder(user uc.UserID) string {
	return filepath.Join(s.cfg.Dir, strconv.FormatInt(int64(user), 10))
}

func (s *Store) path(user uc.UserID, token string) string {
	return filepath.Join(s.folder(user), token)
}

func (s *Store) usage(user uc.UserID) *usage {
	u := s.users[user]
	if u == nil {
		u = &usage{files: map[string]stored{}}
		s.users[user] = u
	}
	return u
}

func (s *Store) add(user uc.UserID, token string, f stored) {
	s.files[token] = user
	u := s.usage(user)
	u.bytes += f.size
	u.files[token] = f
}

// MaxFile returns the size of the largest file.
func (s *Store) MaxFile() int64 { return s.cfg.MaxFile }

// Slot gives a user leave to upload a file, and returns the address for both its upload and its download.
// The error is TooLarge, QuotaReached or of kind uc.ErrInvalid.
func (s *Store) Slot(user uc.UserID, f File) (address string, err error) {
	f.Name = cleanName(f.Name)
	switch {
	case f.Size <= 0:
		return "", uc.FieldError(uc.ErrInvalid, "size", "a file has a size")
	case f.Size > s.cfg.MaxFile:
		return "", TooLarge{s.cfg.MaxFile}
	case f.Name == "":
		return "", uc.FieldError(uc.ErrInvalid, "filename", "a file has a name")
	case !validType(f.Type):
		return "", uc.FieldError(uc.ErrInvalid, "content-type", "this is no content type")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.dropSlots(now)
	u := s.usage(user)
	if retry := s.full(u, f.Size, now); !retry.IsZero() {
		s.forget(user)
		return "", QuotaReached{retry}
	}
	token := strings.ToLower(rand.Text())
	s.slots[token] = &slot{user: user, file: f, expires: now.Add(slotLife)}
	u.bytes += f.Size
	u.slots++
	return s.cfg.URL + "/" + token + "/" + url.PathEscape(f.Name), nil
}

// full returns when there may be room for a file of a user's; the zero time is now. What has expired takes no room, also
// before it is deleted.
func (s *Store) full(u *usage, size int64, now time.Time) time.Time {
	if u.slots >= maxSlots {
		return now.Add(slotLife)
	}
	bytes, files := u.bytes+size-s.cfg.Quota, len(u.files)+u.slots+1-maxFiles
	if bytes <= 0 && files <= 0 {
		return time.Time{}
	}
	if at := s.roomAt(u, bytes, files, now); at.After(now) {
		return at
	}
	return time.Time{}
}

// roomAt returns when so many bytes and files will have expired.
func (s *Store) roomAt(u *usage, bytes int64, files int, now time.Time) time.Time {
	for _, f := range slices.SortedFunc(maps.Values(u.files), func(a, b stored) int { return a.since.Compare(b.since) }) {
		bytes, files = bytes-f.size, files-1
		if bytes <= 0 && files <= 0 {
			return f.since.Add(s.cfg.Keep)
		}
	}
	return now.Add(slotLife) // slots take the room
}

// begin takes a slot for an upload.
func (s *Store) begin(token, name string) (*slot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slots[token]
	if sl == nil || sl.busy || sl.file.Name != name || !s.cfg.Now().Before(sl.expires) {
		return nil, false
	}
	sl.busy = true
	return sl, true
}

// giveBack lets a client whose upload was cut off try again.
func (s *Store) giveBack(sl *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl.busy = false
}

// complete makes a file of a slot. The file is on the disk.
func (s *Store) complete(token string, sl *slot, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropSlot(token, sl)
	s.add(sl.user, token, stored{size: size, since: s.cfg.Now()})
}

func (s *Store) dropSlot(token string, sl *slot) {
	delete(s.slots, token)
	u := s.users[sl.user]
	u.slots--
	u.bytes -= sl.file.Size
	s.forget(sl.user)
}

func (s *Store) dropSlots(now time.Time) {
	for token, sl := range s.slots {
		if !sl.busy && now.After(sl.expires) {
			s.dropSlot(token, sl)
		}
	}
}

// forget keeps no record of who has nothing.
func (s *Store) forget(user uc.UserID) {
	if u := s.users[user]; u.slots == 0 && len(u.files) == 0 {
		delete(s.users, user)
	}
}

// find returns where a file lies.
func (s *Store) find(token string) (path string, since time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, ok := s.files[token]
	if !ok {
		return "", time.Time{}, false
	}
	f := s.users[user].files[token]
	return s.path(user, token), f.since, !s.expired(f)
}

func (s *Store) expired(f stored) bool { return !s.cfg.Now().Before(f.since.Add(s.cfg.Keep)) }

// Run deletes what has expired until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepTime)
	defer tick.Stop()
	for {
		s.sweep()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// sweep deletes what has expired. A file that cannot be deleted is tried again the next time; nobody can
// read it until then.
func (s *Store) sweep() {
	for token, user := range s.findExpired() {
		if err := os.Remove(s.path(user, token)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.cfg.Log.Warn("upload: cannot delete", "cause", err)
			continue
		}
		s.remove(user, token)
	}
}

// findExpired drops the slots and returns the files that have expired.
func (s *Store) findExpired() map[string]uc.UserID {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropSlots(s.cfg.Now())
	over := map[string]uc.UserID{}
	for token, user := range s.files {
		if s.expired(s.users[user].files[token]) {
			over[token] = user
		}
	}
	return over
}

// remove forgets a file, which is off the disk.
func (s *Store) remove(user uc.UserID, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[user]
	u.bytes -= u.files[token].size
	delete(u.files, token)
	delete(s.files, token)
	s.forget(user)
}
