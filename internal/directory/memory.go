package directory

import (
	"context"
	"maps"
	"sync"

	"github.com/rolecall/rolecall/internal/uc"
)

// Memory is a Store that lives as long as the process, for tests of those who need a directory but no
// database. The zero Memory is empty and ready to use.
type Memory struct {
	mu  sync.Mutex
	dir uc.Directory
	seq uc.Sequences
}

// LoadDirectory implements Store.
func (m *Memory) LoadDirectory(context.Context) (uc.Tables, uc.Sequences, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := &m.dir
	return uc.Tables{
		Users: rows(&d.Users), UserStates: rows(&d.UserStates), Devices: rows(&d.Devices),
		Assignments: rows(&d.Assignments), Locations: rows(&d.Locations), Teams: rows(&d.Teams),
		Members: rows(&d.Members), Roles: rows(&d.Roles), Profiles: rows(&d.Profiles),
		Forwardings: rows(&d.Forwardings), FlowLines: rows(&d.FlowLines), Phonebook: rows(&d.Phonebook),
	}, m.sequences(), d.Version, nil
}

// SaveDirectory implements Store.
func (m *Memory) SaveDirectory(_ context.Context, base uint64, commits []uc.Commit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dir.Version != base {
		return uc.Errorf(uc.ErrConflict, "the directory is at version %d, not %d", m.dir.Version, base)
	}
	seq := m.sequences()
	for _, c := range commits {
		m.dir = *m.dir.With(c.Change)
		m.dir.Version = c.Version
		maps.Copy(seq, c.Sequences)
	}
	m.seq = seq
	return nil
}

func (m *Memory) sequences() uc.Sequences {
	seq := uc.Sequences{}
	maps.Copy(seq, m.seq)
	return seq
}

func rows[K ~int64, V any](t *uc.Table[K, V]) []V {
	list := make([]V, 0, t.Len())
	for _, v := range t.All() {
		list = append(list, *v)
	}
	return list
}
