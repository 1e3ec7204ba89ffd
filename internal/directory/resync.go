package directory

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// resync reads the directory anew after a commit failed: the store may have committed it all the same
// (the connection broke before the answer came), or may have been changed behind our back. What differs
// is published as a change by the system.
func (d *Directory) resync(ctx context.Context) error {
	if !d.writer.stale {
		return nil
	}
	tables, seq, version, err := d.store.LoadDirectory(ctx)
	if err != nil {
		return fmt.Errorf("directory: reload: %w", err)
	}
	d.writer.stale, d.writer.seq = false, seq
	before := d.Snapshot()
	if version == before.Version {
		return nil
	}
	after := uc.NewDirectory(version, tables)
	d.snapshot.Store(after)
	d.log.Warn("directory: the store was ahead, read it anew", "had", before.Version, "has", version)
	d.bus.Publish(uc.DirectoryChanged{Before: before, After: after, Changes: differences(before, after), By: uc.System})
	return nil
}

// differences lists what is not the same in two snapshots.
func differences(a, b *uc.Directory) []uc.Ref {
	return slices.Concat(
		differing(uc.KindUser, &a.Users, &b.Users),
		differing(uc.KindUserState, &a.UserStates, &b.UserStates),
		differing(uc.KindDevice, &a.Devices, &b.Devices),
		differing(uc.KindAssignment, &a.Assignments, &b.Assignments),
		differing(uc.KindLocation, &a.Locations, &b.Locations),
		differing(uc.KindTeam, &a.Teams, &b.Teams),
		differing(uc.KindMember, &a.Members, &b.Members),
		differing(uc.KindRole, &a.Roles, &b.Roles),
		differing(uc.KindProfile, &a.Profiles, &b.Profiles),
		differing(uc.KindForwarding, &a.Forwardings, &b.Forwardings),
		differing(uc.KindFlowLine, &a.FlowLines, &b.FlowLines),
		differing(uc.KindPhonebook, &a.Phonebook, &b.Phonebook),
	)
}

func differing[K ~int64, V any](kind uc.Kind, a, b *uc.Table[K, V]) []uc.Ref {
	var refs []uc.Ref
	for id, v := range b.All() {
		if old := a.Get(id); old == nil || !reflect.DeepEqual(old, v) {
			refs = append(refs, uc.Ref{Kind: kind, ID: int64(id)})
		}
	}
	for id := range a.All() {
		if b.Get(id) == nil {
			refs = append(refs, uc.Ref{Kind: kind, ID: int64(id)})
		}
	}
	slices.SortFunc(refs, func(x, y uc.Ref) int { return cmp.Compare(x.ID, y.ID) })
	return refs
}
