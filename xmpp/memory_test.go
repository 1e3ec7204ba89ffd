package xmpp

import (
	"context"
	"fmt"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

func (m *memory) Blocked(context.Context) ([]uc.Blocked, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.blocked), nil
}

func (m *memory) ChangeBlocked(_ context.Context, user uc.UserID, add, remove []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blocked = slices.DeleteFunc(m.blocked, func(b uc.Blocked) bool { return b.User == user && slices.Contains(remove, b.JID) })
	for _, jid := range add {
		m.blocked = append(m.blocked, uc.Blocked{User: user, JID: jid})
	}
	return nil
}

// gone is a user whom the store does not know.
const gone uc.UserID = 98

// commit is the moment at which something becomes durable.
func (m *memory) commit() error {
	m.mu.Lock()
	c := m.commits
	m.mu.Unlock()
	if c == nil {
		return nil
	}
	return <-c
}

// holdCommits lets nothing become durable until that is sent to the channel.
func (m *memory) holdCommits() chan<- error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commits = make(chan error)
	return m.commits
}

func (m *memory) AddArchived(_ context.Context, list []uc.ArchivedMessage) error {
	if err := m.commit(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(list, func(a uc.ArchivedMessage) bool { return a.User == gone }) {
		return uc.Errorf(uc.ErrNotFound, "the user is gone")
	}
	if m.forgetful {
		return nil
	}
	for _, a := range list {
		a.Stanza = slices.Clone(a.Stanza)
		m.archive = append(m.archive, a)
	}
	return nil
}

func (m *memory) LastArchived(context.Context) (int64, error) { return 0, nil }

func (m *memory) DeleteArchived(_ context.Context, before int64, _ int) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	had := len(m.archive)
	m.archive = slices.DeleteFunc(m.archive, func(a uc.ArchivedMessage) bool { return a.ID < before })
	return int64(had - len(m.archive)), nil
}

func (m *memory) RemoveArchived(_ context.Context, of uc.Archive, id int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.archive = slices.DeleteFunc(m.archive, func(a uc.ArchivedMessage) bool { return a.Archive == of && a.ID == id })
	return nil
}

func (m *memory) ArchivesBeyond(_ context.Context, quota int) (list []uc.Archive, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := map[uc.Archive]int{}
	for _, a := range m.archive {
		if counts[a.Archive]++; counts[a.Archive] == quota+1 {
			list = append(list, a.Archive)
		}
	}
	return list, nil
}

func (m *memory) TrimArchive(_ context.Context, of uc.Archive, keep, _ int) (n int64, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.archive) - 1; i >= 0; i-- {
		if m.archive[i].Archive != of {
			continue
		}
		if keep--; keep < 0 {
			m.archive = slices.Delete(m.archive, i, i+1)
			n++
		}
	}
	return n, nil
}

// Archived pages like the store, of which storetest says how.
func (m *memory) Archived(_ context.Context, q uc.ArchiveQuery) (page uc.ArchivePage, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var matching, own []uc.ArchivedMessage
	for _, a := range m.archive {
		if a.Archive != q.Archive {
			continue
		}
		own = append(own, a)
		if (q.Peer == "" || a.Peer == q.Peer) && (q.Resource == "" || a.Resource == q.Resource) && a.ID >= q.From &&
			(q.To == 0 || a.ID < q.To) && (q.IDs == nil || slices.Contains(q.IDs, a.ID)) {
			matching = append(matching, a)
		}
	}
	for _, id := range q.Known {
		if !slices.ContainsFunc(own, func(a uc.ArchivedMessage) bool { return a.ID == id }) {
			return page, uc.Errorf(uc.ErrNotFound, "no such message")
		}
	}
	page.Count = len(matching)
	page.Messages = slices.DeleteFunc(slices.Clone(matching), func(a uc.ArchivedMessage) bool {
		return a.ID <= q.After || q.Before != 0 && a.ID >= q.Before
	})
	if n := len(page.Messages); n <= q.Max {
		page.Complete = true
	} else if q.Last {
		page.Messages = page.Messages[n-q.Max:]
	} else {
		page.Messages = page.Messages[:q.Max]
	}
	for !q.Last && len(page.Messages) > 0 && page.Index < len(matching) && matching[page.Index].ID < page.Messages[0].ID {
		page.Index++
	}
	return page, nil
}

func (m *memory) ArchivePreferences(context.Context) ([]uc.ArchivePreferences, error) {
	return nil, nil
}

func (m *memory) PutArchivePreferences(context.Context, uc.ArchivePreferences) error { return nil }

func (m *memory) Private(_ context.Context, user uc.UserID, namespace, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.private[[2]string{fmt.Sprint(user, namespace), name}].XML, nil
}

func (m *memory) PutPrivate(_ context.Context, p uc.PrivateXML, limit int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.private == nil {
		m.private = make(map[[2]string]uc.PrivateXML)
	}
	m.private[[2]string{fmt.Sprint(p.User, p.Namespace), p.Name}] = p
	if len(m.private) > limit {
		return uc.Errorf(uc.ErrConflict, "full")
	}
	return nil
}

func (m *memory) AddAudit(_ context.Context, e uc.AuditEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.audit = append(m.audit, e)
	return nil
}
