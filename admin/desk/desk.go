// Package desk holds what the admin page and the REST API have in common: the interfaces of the engines
// they show and command, the guard that keeps an administrator from reaching above their own level,
// the reading of an explain question, and the one mapping of error kinds to HTTP. It starts no goroutine.
package desk

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

// Directory is the owner of people and things. Snapshot answers questions; everything else is a command
// that returns after commit.
type Directory interface {
	Snapshot() *uc.Directory
	// CheckPassword reports whether the password is the login's, in constant time, and whose that is.
	CheckPassword(ctx context.Context, login, password string) (user uc.UserID, right bool)

	AddUser(ctx context.Context, by uc.Actor, in uc.NewUser) (uc.User, error)
	UpdateUser(ctx context.Context, by uc.Actor, u uc.User) error
	SetPassword(ctx context.Context, by uc.Actor, user uc.UserID, password string) error
	SetPIN(ctx context.Context, by uc.Actor, user uc.UserID, pin string) error

	AddDevice(ctx context.Context, by uc.Actor, d uc.Device) (uc.Device, error)
	UpdateDevice(ctx context.Context, by uc.Actor, d uc.Device) error
	RegenerateSecret(ctx context.Context, by uc.Actor, device uc.DeviceID) (uc.Device, error)
	Assign(ctx context.Context, by uc.Actor, a uc.Assignment) (uc.Assignment, error)
	UpdateAssignment(ctx context.Context, by uc.Actor, a uc.Assignment) error

	AddLocation(ctx context.Context, by uc.Actor, l uc.Location) (uc.Location, error)
	UpdateLocation(ctx context.Context, by uc.Actor, l uc.Location) error
	AddTeam(ctx context.Context, by uc.Actor, t uc.Team) (uc.Team, error)
	UpdateTeam(ctx context.Context, by uc.Actor, t uc.Team) error
	AddMember(ctx context.Context, by uc.Actor, m uc.Member) (uc.Member, error)
	UpdateMember(ctx context.Context, by uc.Actor, m uc.Member) error
	AddRole(ctx context.Context, by uc.Actor, r uc.Role) (uc.Role, error)
	UpdateRole(ctx context.Context, by uc.Actor, r uc.Role) error
	AddProfile(ctx context.Context, by uc.Actor, p uc.Profile) (uc.Profile, error)
	UpdateProfile(ctx context.Context, by uc.Actor, p uc.Profile) error
	AddForwarding(ctx context.Context, by uc.Actor, f uc.Forwarding) (uc.Forwarding, error)
	UpdateForwarding(ctx context.Context, by uc.Actor, f uc.Forwarding) error
	AddFlowLine(ctx context.Context, by uc.Actor, l uc.FlowLine) (uc.FlowLine, error)
	UpdateFlowLine(ctx context.Context, by uc.Actor, l uc.FlowLine) error
	AddPhonebookEntry(ctx context.Context, by uc.Actor, e uc.PhonebookEntry) (uc.PhonebookEntry, error)
	UpdatePhonebookEntry(ctx context.Context, by uc.Actor, e uc.PhonebookEntry) error

	// Delete removes a thing and what belongs to it.
	Delete(ctx context.Context, by uc.Actor, ref uc.Ref) error
}

// Profiles is the engine that decides which profile everybody is in.
type Profiles interface {
	Switch(ctx context.Context, req uc.SwitchRequest) (uc.JournalEntry, error)
	State(user uc.UserID) uc.ProfileState
	Undo(ctx context.Context, user uc.UserID, by uc.Actor) (uc.JournalEntry, error)
	Journal(ctx context.Context, q uc.JournalQuery) ([]uc.JournalEntry, error)
}

// Presences answers who is here.
type Presences interface {
	Get(user uc.UserID) uc.Presence
	All() []uc.Presence
}

// Phones answers what telephones do and would do, and steers calls. What it is told to do it writes into the audit.
type Phones interface {
	Explain(req uc.PlanRequest) uc.Plan
	Calls() []uc.Call
	Registrations() []uc.Registration
	// Dial has a user's telephones ring and calls an extension when one is answered.
	Dial(ctx context.Context, user uc.UserID, ext string, by uc.Actor) (uc.Call, error)
	// Transfer sends one party of an answered call, the caller or the person called, on to an extension.
	Transfer(ctx context.Context, call, ext string, caller bool, by uc.Actor) error
	HangUp(ctx context.Context, call string, by uc.Actor) error
}

// Chats answers what chat clients are connected and what passes between them and the server.
type Chats interface {
	Sessions() []uc.ChatSession
	EndSession(ctx context.Context, by uc.Actor, id uint64) error
	// Trace lists the last stanzas of a user's sessions, or of one, oldest first.
	Trace(address string) ([]uc.TracedStanza, error)
	// FollowTrace returns a function that lists what has passed since it was last called.
	FollowTrace(address string) (next func() []uc.TracedStanza, stop func(), err error)
}

// Deps are the parts of the server that the admin page and the REST API show and command.
type Deps struct {
	Directory     Directory
	Profiles      Profiles
	Presences     Presences
	Phones        Phones
	Chats         Chats
	Bus           *bus.Bus
	Subscriptions func(user uc.UserID) (to, from []uc.UserID) // to the presence of others, and of others; nil if there are none
	ServerStreams func() []uc.ServerStream                    // with other chat servers, oldest first; nil means that there are none ever
	TeamsSync     func() uc.TeamsSync                         // nil means that Microsoft Graph is not read
	Metrics       http.Handler                                // served to metrics viewers; nil if there is none
	Now           func() time.Time                            // nil means time.Now
	Log           *slog.Logger                                // nil means slog.Default
}

// Sync tells how reading presence from Microsoft Graph is going.
func (d *Deps) Sync() uc.TeamsSync {
	if d.TeamsSync == nil {
		return uc.TeamsSync{State: uc.SyncOff}
	}
	return d.TeamsSync()
}
