package directory

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// edit is what one command sees and changes. A command appends rows to put and drop; view shows them to
// its later steps.
type edit struct {
	by  uc.Actor
	now time.Time

	put  uc.Tables // not yet in dir
	drop []uc.Ref  // not yet in dir

	before  *uc.Directory
	dir     *uc.Directory // before with all of change
	change  uc.ChangeSet
	seq     uc.Sequences // the directory's
	given   uc.Sequences // those that rose
	notes   []string
	changes []uc.Change // of live switches
}

func newEdit(dir *uc.Directory, seq uc.Sequences, by uc.Actor, now time.Time) *edit {
	return &edit{by: by, now: now, before: dir, dir: dir, seq: seq, given: uc.Sequences{}}
}

// view returns the directory with everything that the command has changed so far.
func (e *edit) view() *uc.Directory {
	step := uc.ChangeSet{Put: e.put, Delete: e.drop}
	if len(step.Refs()) == 0 {
		return e.dir
	}
	e.dir = e.dir.With(step)
	e.change = joined(e.change, step)
	e.put, e.drop = uc.Tables{}, nil
	return e.dir
}

// empty reports whether the command changed nothing. It ends the planning.
func (e *edit) empty() bool {
	e.view()
	return e.dir == e.before
}

// nextID gives out an identifier that was never used. If the command fails, it is lost.
func (e *edit) nextID(kind uc.Kind) int64 {
	e.seq[kind]++
	e.given[kind] = e.seq[kind]
	return e.seq[kind]
}

// note adds a sentence to the audit entry.
func (e *edit) note(format string, args ...any) {
	e.notes = append(e.notes, fmt.Sprintf(format, args...))
}

// stamp says who sets a live switch now.
func (e *edit) stamp() string { return e.by.Stamp(e.now) }

func (e *edit) commit() uc.Commit {
	return uc.Commit{
		Version:   e.dir.Version,
		Change:    e.change,
		Sequences: maps.Clone(e.given),
		Audit:     uc.AuditEntry{Time: e.now, By: e.by, Text: strings.Join(e.notes, "; "), Refs: e.change.Refs()},
	}
}

func (e *edit) event() uc.DirectoryChanged {
	return uc.DirectoryChanged{Before: e.before, After: e.dir, Changes: e.change.Refs(), By: e.by}
}

// joined appends one change to another. An earlier row of the same identifier is overwritten when the
// rows are applied in order.
func joined(a, b uc.ChangeSet) uc.ChangeSet {
	t, s := &a.Put, &b.Put
	t.Users = append(t.Users, s.Users...)
	t.UserStates = append(t.UserStates, s.UserStates...)
	t.Devices = append(t.Devices, s.Devices...)
	t.Assignments = append(t.Assignments, s.Assignments...)
	t.Locations = append(t.Locations, s.Locations...)
	t.Teams = append(t.Teams, s.Teams...)
	t.Members = append(t.Members, s.Members...)
	t.Roles = append(t.Roles, s.Roles...)
	t.Profiles = append(t.Profiles, s.Profiles...)
	t.Forwardings = append(t.Forwardings, s.Forwardings...)
	t.FlowLines = append(t.FlowLines, s.FlowLines...)
	t.Phonebook = append(t.Phonebook, s.Phonebook...)
	a.Delete = append(a.Delete, b.Delete...)
	return a
}
