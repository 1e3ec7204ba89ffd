package xmpp

import (
	"context"
	"maps"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

const (
	archiveExpire = time.Hour // between removals of old messages
	archiveDelete = 1000      // messages removed in one transaction
)

// expire removes messages that are too old, and those that an archive has too many of, now and again. An
// archive that grows is looked at when it may have a tenth more than its quota.
func (a *archive) expire(ctx context.Context, keep time.Duration) {
	tick := time.NewTicker(archiveExpire)
	defer tick.Stop()
	a.expireAll(ctx, keep)
	for {
		select {
		case <-tick.C:
			a.expireAll(ctx, keep)
		case <-a.trim:
			for of := range a.takeGrown() {
				a.trimTo(ctx, of)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (a *archive) expireAll(ctx context.Context, keep time.Duration) {
	before := time.Now().Add(-keep).UnixNano()
	a.removeAll(ctx, func() (int64, error) { return a.store.DeleteArchived(ctx, before, archiveDelete) })
	if a.quota == 0 {
		return
	}
	list, err := a.store.ArchivesBeyond(ctx, a.quota)
	if err != nil && ctx.Err() == nil {
		a.log.Error("xmpp: cannot measure the archives", "cause", err)
	}
	for _, of := range list {
		a.trimTo(ctx, of)
	}
}

// removeAll removes a part of what is to go, again and again until nothing is left.
func (a *archive) removeAll(ctx context.Context, part func() (int64, error)) {
	for {
		n, err := part()
		if err != nil && ctx.Err() == nil {
			a.log.Error("xmpp: cannot remove old messages", "cause", err)
		}
		if err != nil || n < archiveDelete {
			return
		}
	}
}

// trimTo leaves the newest messages in an archive.
func (a *archive) trimTo(ctx context.Context, of uc.Archive) {
	a.removeAll(ctx, func() (int64, error) { return a.store.TrimArchive(ctx, of, a.quota, archiveDelete) })
}

// grow counts new messages.
func (a *archive) grow(list []uc.ArchivedMessage) {
	if a.quota == 0 {
		return
	}
	for i := range list {
		a.growBy(list[i].Archive, 1)
	}
}

// growBy counts new messages of one archive.
func (a *archive) growBy(of uc.Archive, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.grown[of] += n; a.quota > 0 && a.grown[of] > a.quota/10 {
		a.toTrim[of] = struct{}{}
		delete(a.grown, of)
		signal(a.trim)
	}
}

func (a *archive) takeGrown() map[uc.Archive]struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := maps.Clone(a.toTrim)
	clear(a.toTrim)
	return list
}
