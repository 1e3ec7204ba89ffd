// Package storetest is the conformance suite of the store: what every database must do the same. Tests
// call [Run] with a function that opens an empty database.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// Store is all that the engines ask of the store.
type Store interface {
	LoadDirectory(ctx context.Context) (uc.Tables, uc.Sequences, uint64, error)
	SaveDirectory(ctx context.Context, base uint64, commits []uc.Commit) error
	Audit(ctx context.Context, before int64, limit int) ([]uc.AuditEntry, error)
	AddAudit(ctx context.Context, a uc.AuditEntry) error

	ProfileStates(ctx context.Context) ([]uc.ProfileState, error)
	SaveProfileState(ctx context.Context, st uc.ProfileState, entry *uc.JournalEntry) (int64, error)
	Journal(ctx context.Context, q uc.JournalQuery) ([]uc.JournalEntry, error)
	UnfinishedEntries(ctx context.Context) ([]uc.JournalEntry, error)

	RosterItems(ctx context.Context, user uc.UserID) ([]uc.RosterItem, error)
	PutRosterItem(ctx context.Context, item uc.RosterItem) error
	DeleteRosterItem(ctx context.Context, user uc.UserID, jid string) error
	AddOffline(context.Context, []uc.OfflineMessage) (ids []int64, err error)
	Offline(ctx context.Context, user uc.UserID) ([]uc.OfflineMessage, error)
	DeleteOffline(ctx context.Context, ids []int64) error
	CountOffline(ctx context.Context, user uc.UserID) (n int, size int64, err error)
	VCard(ctx context.Context, user uc.UserID) ([]byte, error)
	PutVCard(ctx context.Context, user uc.UserID, xml []byte) error

	PubsubOwners(ctx context.Context) ([]uc.UserID, error)
	PubsubNodes(ctx context.Context, user uc.UserID) ([]uc.PubsubNode, error)
	PubsubItems(ctx context.Context, user uc.UserID) ([]uc.PubsubItem, error)
	PubsubPayload(ctx context.Context, user uc.UserID, node, id string) ([]byte, error)
	PubsubPayloads(ctx context.Context, user uc.UserID, node string) (map[string][]byte, error)
	ChangePubsub(ctx context.Context, c uc.PubsubChange) error

	Rooms(ctx context.Context) ([]uc.Room, error)
	ChangeRooms(ctx context.Context, list []uc.RoomChange) error
	ForgetLostRooms(ctx context.Context) error

	Blocked(ctx context.Context) ([]uc.Blocked, error)
	ChangeBlocked(ctx context.Context, user uc.UserID, add, remove []string) error
	Private(ctx context.Context, user uc.UserID, namespace, name string) ([]byte, error)
	AllPrivate(ctx context.Context, user uc.UserID) ([]uc.PrivateXML, error)
	PutPrivate(ctx context.Context, p uc.PrivateXML, limit int) error

	AddArchived(ctx context.Context, list []uc.ArchivedMessage) error
	LastArchived(ctx context.Context) (int64, error)
	RemoveArchived(ctx context.Context, of uc.Archive, id int64) error
	ArchivesBeyond(ctx context.Context, quota int) ([]uc.Archive, error)
	TrimArchive(ctx context.Context, of uc.Archive, keep, limit int) (int64, error)
	DeleteArchived(ctx context.Context, before int64, limit int) (int64, error)
	Archived(ctx context.Context, q uc.ArchiveQuery) (uc.ArchivePage, error)
	ArchivedAfter(ctx context.Context, of uc.Archive, after int64, limit, size int) ([]uc.ArchivedMessage, error)
	ImportArchived(ctx context.Context, list []uc.ArchivedMessage) (int, error)
	ArchivePreferences(ctx context.Context) ([]uc.ArchivePreferences, error)
	PutArchivePreferences(ctx context.Context, p uc.ArchivePreferences) error

	Bindings(ctx context.Context) ([]uc.Binding, error)
	SaveBindings(ctx context.Context, put, drop []uc.Binding) error
	AddCallRecords(ctx context.Context, calls []uc.Call) error
	CallRecords(ctx context.Context, limit int) ([]uc.Call, error)

	FastTokens(ctx context.Context, user uc.UserID, client string) ([]uc.FastToken, error)
	AddFastToken(ctx context.Context, t uc.FastToken) error
	UseFastToken(ctx context.Context, t uc.FastToken, count int64) (bool, error)
	DeleteFastToken(ctx context.Context, t uc.FastToken) error

	PushTargets(ctx context.Context) ([]uc.PushTarget, error)
	PutPushTarget(ctx context.Context, t uc.PushTarget, remove []uc.PushTarget) error
	DeletePushTargets(ctx context.Context, list []uc.PushTarget) error

	LastSeen(ctx context.Context, user uc.UserID) (uc.LastSeen, error)
	PutLastSeen(ctx context.Context, list []uc.LastSeen) error

	Prune(ctx context.Context, before time.Time, limit int) (int64, error)

	Setting(ctx context.Context, name string) ([]byte, error)
	PutSetting(ctx context.Context, name string, value []byte) error

	Close() error
}

// Opener opens databases. Empty makes an empty one and returns a function that opens it, again and again.
type Opener func(t *testing.T) (open func() Store)

// Run runs the suite.
func Run(t *testing.T, empty Opener) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, open func() Store)
	}{
		{"Reopen", testReopen},
		{"DirectoryRows", testDirectoryRows},
		{"DirectoryVersion", testDirectoryVersion},
		{"DirectoryAtomic", testDirectoryAtomic},
		{"DeletingUserCascades", testDeletingUserCascades},
		{"Audit", testAudit},
		{"ProfileStates", testProfileStates},
		{"Journal", testJournal},
		{"Prune", testPrune},
		{"Roster", testRoster},
		{"Offline", testOffline},
		{"OfflineTogether", testOfflineTogether},
		{"VCards", testVCards},
		{"Blocked", testBlocked},
		{"Private", testPrivate},
		{"Archive", testArchive},
		{"ArchiveMoves", testArchiveMoves},
		{"ArchiveRetention", testArchiveRetention},
		{"ArchivePreferences", testArchivePreferences},
		{"Pubsub", testPubsub},
		{"Rooms", testRooms},
		{"RoomArchive", testRoomArchive},
		{"Bindings", testBindings},
		{"CallRecords", testCallRecords},
		{"FastTokens", testFastTokens},
		{"PushTargets", testPushTargets},
		{"LastSeen", testLastSeen},
		{"Settings", testSettings},
		{"Strangers", testStrangers},
		{"ParallelWrites", testParallelWrites},
		{"Closed", testClosed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, empty(t)) })
	}
}
