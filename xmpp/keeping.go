package xmpp

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// How messages for users who are away get from the line into the database.
const (
	keepingLine   = 4 << 20  // bytes in line from which on senders wait
	keepingCommit = 32 << 10 // bytes of messages, or one message, that are committed together
)

// keeping stores messages for users who have no client that takes them. They are put in line, and its writer
// commits together what has come together, so that neither a crowd of senders nor the rest of a full queue costs a
// transaction for each message. It commits a little at a time and lets others run in between: the database works in
// this process.
type keeping struct {
	server *Server
	log    *slog.Logger
	line                 // its lock guards all below
	list   []keptMessage // in line
	size   int           // bytes of them, with what is being committed
}

// keptMessage is a message in line.
type keptMessage struct {
	account *account
	raw     []byte
	at      time.Time
	filed   filed // where it is in archives
}

func newKeeping(s *Server) *keeping {
	k := &keeping{server: s, log: s.log}
	k.init()
	return k
}

// run writes the line until ctx ends, and then what is left.
func (k *keeping) run(ctx context.Context) { k.serve(ctx, k.write) }

// put puts a message in line, for which there is room, and returns its place. It waits while the line is too long.
// When the writer has ended it writes by itself.
func (k *keeping) put(m keptMessage) uint64 {
	k.mu.Lock()
	for k.size >= keepingLine && !k.closed {
		signal(k.hurry)
		k.changed.Wait()
	}
	k.list = append(k.list, m)
	k.size += len(m.raw)
	k.queued++
	place, closed := k.queued, k.closed
	k.mu.Unlock()
	m.account.storage.putInLine(place)
	if closed {
		k.write(context.Background())
	} else {
		signal(k.wake)
	}
	return place
}

// write commits what is in line now, a part at a time.
func (k *keeping) write(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	k.mu.Lock()
	left := len(k.list)
	k.mu.Unlock()
	for left > 0 {
		began := time.Now()
		part := k.take(left)
		if left -= len(part); len(part) == 0 {
			return
		}
		k.store(ctx, part)
		k.mu.Lock()
		for _, m := range part {
			k.size -= len(m.raw)
		}
		called, hurried := k.wrote(len(part)), k.closed
		k.mu.Unlock()
		called.call()
		if !hurried {
			rest(time.Since(began))
		}
	}
}

// take returns the first part of the line, of most messages at most.
func (k *keeping) take(most int) []keptMessage {
	k.mu.Lock()
	defer k.mu.Unlock()
	most = min(most, len(k.list)) // the writer has ended if somebody else takes some
	size := 0
	for i, m := range k.list[:most] {
		if size += len(m.raw); size > keepingCommit && i > 0 {
			most = i
			break
		}
	}
	part := k.list[:most:most]
	if k.list = k.list[most:]; len(k.list) == 0 {
		k.list = nil
	}
	return part
}

// store commits messages. Those of users who are gone are left out; who has sent what cannot be stored is told.
func (k *keeping) store(ctx context.Context, part []keptMessage) {
	list := make([]uc.OfflineMessage, len(part))
	for i, m := range part {
		list[i] = uc.OfflineMessage{User: m.account.user, At: m.at, Stanza: m.raw}
	}
	_, err := k.server.deps.Store.AddOffline(ctx, list)
	switch {
	case err == nil:
		for i, m := range part {
			m.account.storage.stored(len(m.raw))
			if i == len(part)-1 || part[i+1].account != m.account {
				k.server.drainIfBack(m.account)
			}
		}
	case errors.Is(err, uc.ErrNotFound) && len(part) > 1:
		k.store(ctx, part[:len(part)/2])
		k.store(ctx, part[len(part)/2:])
	default:
		k.log.Error("xmpp: messages cannot be stored", "count", len(part), "cause", err)
		k.server.guard(func() { k.refuse(part) })
	}
}

// refuse tells the senders of messages that they were not stored.
func (k *keeping) refuse(part []keptMessage) {
	b := k.server.newBatch()
	defer b.done()
	for _, m := range part {
		m.account.storage.failed(len(m.raw))
		k.server.withdraw(m.filed)
		if head, _, _, err := scan.New(unlimited).Next(m.raw); err == nil {
			k.server.refuse(b, &head, errInternal)
		}
	}
}
