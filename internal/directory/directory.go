// Package directory owns the people and things of the company and their live switches: users, devices,
// FollowMe, locations, teams, roles, profiles, forwardings, call-flow lines and the phone book.
//
// Questions are answered from an immutable snapshot ([Directory.Snapshot]) without a lock. Commands are
// checked and carried out one after the other; commands that arrive together are committed to the store
// together, the snapshot is replaced after the commit, and then uc.DirectoryChanged is published once
// for each command, in order. A command that returned without an error is durable.
//
// The package starts no goroutine: of the callers that wait, one carries out the commands of all.
package directory

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/scram"
	"github.com/rolecall/rolecall/internal/uc"
)

// Store keeps the directory. It is called by one goroutine at a time.
type Store interface {
	// LoadDirectory returns all rows, the sequences and the version; version 0 is an empty store.
	LoadDirectory(ctx context.Context) (uc.Tables, uc.Sequences, uint64, error)
	// SaveDirectory writes the commits in order and in one transaction. It fails, and changes nothing,
	// unless the stored version is base.
	SaveDirectory(ctx context.Context, base uint64, commits []uc.Commit) error
}

// Options are the settings of a directory. The zero value is ready to use.
type Options struct {
	Now        func() time.Time // time.Now if nil
	Log        *slog.Logger     // discards if nil
	Iterations int              // of the hash of passwords and PINs; 10000 if 0 (RFC 7677 §4 asks for at least 4096)
	Secret     []byte           // makes what is checked of unknown logins; must survive restarts; random if empty
}

// Directory answers questions about people and things and carries out the commands that change them.
type Directory struct {
	store  Store
	bus    *bus.Bus
	now    func() time.Time
	log    *slog.Logger
	nobody scram.Nobody // for the logins that there are not

	snapshot atomic.Pointer[uc.Directory]
	writer   writer
}

// Open reads the directory from its store; an empty store is given what ships with the server.
func Open(ctx context.Context, store Store, b *bus.Bus, opts Options) (*Directory, error) {
	d := &Directory{store: store, bus: b, now: opts.Now, log: opts.Log, nobody: scram.NewNobody(opts.Secret, opts.Iterations)}
	if d.now == nil {
		d.now = time.Now
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.writer.init()
	tables, seq, version, err := store.LoadDirectory(ctx)
	if err != nil {
		return nil, fmt.Errorf("directory: load: %w", err)
	}
	d.snapshot.Store(uc.NewDirectory(version, tables))
	d.writer.seq = seq
	if version == 0 {
		if err := d.seed(ctx); err != nil {
			return nil, fmt.Errorf("directory: seed: %w", err)
		}
	}
	return d, nil
}

// Snapshot returns the directory as it is now. It never blocks; the result never changes.
func (d *Directory) Snapshot() *uc.Directory { return d.snapshot.Load() }
