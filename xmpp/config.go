package xmpp

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/muc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
	"github.com/rolecall/rolecall/xmpp/pubsub"
	"github.com/rolecall/rolecall/xmpp/upload"
)

// Config says what the server serves and what a client may make it hold. Zero limits mean the defaults.
type Config struct {
	Domain   string      // the one domain served
	TLS      *tls.Config // certificate of the domain
	Insecure bool        // lets clients log in without TLS; for load tests on a loopback address
	Version  string      // of the software, told by XEP-0092

	Components     map[string]string // secrets of external components, by their domains (XEP-0114); "" needs a certificate (XEP-0225)
	ComponentRoots *x509.CertPool    // that their certificates are checked with; nil means those of the machine

	Relays      []Relay       // STUN and TURN servers that clients may use in calls (XEP-0215)
	RelaySecret string        // which the TURN servers share
	RelayLife   time.Duration // of credentials for them; default 12 h

	RoomsDomain  string   // of chat rooms; default "rooms." and the domain
	RoomCreators []string // titles of the roles whose users may make rooms; none: everybody may

	PasswordChange bool     // users may change their own password by their client (XEP-0077 §3.3)
	Contacts       Contacts // of those who run the server

	TraceBodies bool // administrators see whole stanzas in traces, not only their heads

	Secret     []byte // makes the challenges of unknown logins; must survive restarts
	Iterations int    // SCRAM iterations that accounts have; default 10000

	MaxConnections int // in all, as far as the process may open that many; default 50000
	MaxHalfOpen    int // connections of one address that are not logged in; default 64
	MaxResources   int // sessions of one user; default 16
	MaxStanza      int // bytes of a stanza after login; default 256 kB
	MaxRate        int // stanzas a second that a client may send, beyond which it is slowed; 0: no limit
	MaxRoster      int // contacts that a user may add; default 2000
	MaxOffline     int // messages kept for a user; default 1000
	MaxOfflineSize int // bytes of them; default 16 MB
	MaxBlocked     int // addresses that a user may block; default 1000

	Archive      time.Duration // how long messages are kept for their users to read again; 0: not at all
	ArchiveQuota int           // messages kept of one user, and of one room, the newest; 0: no limit

	Pubsub pubsub.Limits // of what a user publishes; default pubsub.DefaultLimits
	Push   string        // what push services are told of messages; default PushNotice

	QueueSoft int // bytes waiting for a client from which on its local senders are slowed; default 512 kB
	QueueHard int // bytes waiting for a client at which its session ends; default 4 MB

	MaxDetached   int           // bytes kept for a client that has lost its connection; default 1 MB
	ResumeTimeout time.Duration // how long such a client may take to come back; default 10 min

	NegotiateTimeout time.Duration // from the first byte to the bound resource; default 30 s
	StanzaTimeout    time.Duration // from the first to the last byte of a stanza; default 60 s
	WriteTimeout     time.Duration // for one buffer to a client that is slow to read; default 30 s
	CommandTimeout   time.Duration // for the next step of an ad-hoc command; default 10 min
}

func (c *Config) setDefaults() {
	c.RoomsDomain = cmp.Or(c.RoomsDomain, "rooms."+c.Domain)
	c.Version = cmp.Or(c.Version, "devel")
	c.Iterations = cmp.Or(c.Iterations, 10000)
	c.MaxConnections = cmp.Or(c.MaxConnections, 50000)
	c.MaxHalfOpen = cmp.Or(c.MaxHalfOpen, 64)
	c.MaxResources = cmp.Or(c.MaxResources, 16)
	c.MaxStanza = cmp.Or(c.MaxStanza, 256<<10)
	c.MaxRoster = cmp.Or(c.MaxRoster, 2000)
	c.MaxOffline = cmp.Or(c.MaxOffline, 1000)
	c.MaxOfflineSize = cmp.Or(c.MaxOfflineSize, 16<<20)
	c.MaxBlocked = cmp.Or(c.MaxBlocked, 1000)
	c.Pubsub = cmp.Or(c.Pubsub, pubsub.DefaultLimits)
	c.Push = cmp.Or(c.Push, PushNotice)
	c.RelayLife = cmp.Or(c.RelayLife, 12*time.Hour)
	c.QueueSoft = cmp.Or(c.QueueSoft, 512<<10)
	c.QueueHard = cmp.Or(c.QueueHard, 4<<20)
	c.MaxDetached = cmp.Or(c.MaxDetached, 1<<20)
	c.ResumeTimeout = cmp.Or(c.ResumeTimeout, 10*time.Minute)
	c.NegotiateTimeout = cmp.Or(c.NegotiateTimeout, 30*time.Second)
	c.StanzaTimeout = cmp.Or(c.StanzaTimeout, time.Minute)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 30*time.Second)
	c.CommandTimeout = cmp.Or(c.CommandTimeout, 10*time.Minute)
}

// validComponents checks that components have domains of their own, and can prove who they are.
func (c *Config) validComponents() error {
	for domain, secret := range c.Components {
		parsed, err := jid.Parse(domain)
		if err != nil || parsed.Domainpart() != domain || domain == c.Domain || domain == c.RoomsDomain {
			return uc.FieldError(uc.ErrInvalid, "components", "%q is not the normal form of a domain of its own", domain)
		}
		if secret == "" && c.TLS == nil {
			return uc.FieldError(uc.ErrInvalid, "components", "the component %s has no secret, and without TLS it cannot show a certificate", domain)
		}
	}
	return nil
}

// Directory has the people, teams and roles.
type Directory interface {
	Snapshot() *uc.Directory
	// AddKeys stores keys of a password for hashes that there were none for, if the password is still the one that had is
	// of; else the error is uc.ErrConflict.
	AddKeys(ctx context.Context, by uc.Actor, user uc.UserID, had, add uc.PasswordKeys) error
	// CheckPassword reports whether a password is the login's, as negotiate.Accounts has it.
	CheckPassword(ctx context.Context, login, password string) (uc.UserID, bool)
}

// Store keeps what belongs to XMPP alone.
type Store interface {
	RosterItems(context.Context, uc.UserID) ([]uc.RosterItem, error)
	PutRosterItem(context.Context, uc.RosterItem) error
	DeleteRosterItem(ctx context.Context, user uc.UserID, jid string) error
	AddOffline(context.Context, []uc.OfflineMessage) (ids []int64, err error) // all or none, durable when it returns
	Offline(context.Context, uc.UserID) ([]uc.OfflineMessage, error)
	DeleteOffline(ctx context.Context, ids []int64) error
	CountOffline(context.Context, uc.UserID) (n int, size int64, err error)
	VCard(context.Context, uc.UserID) ([]byte, error) // nil if none
	PutVCard(ctx context.Context, user uc.UserID, xml []byte) error
	Blocked(context.Context) ([]uc.Blocked, error)
	muc.Store
	ChangeBlocked(ctx context.Context, user uc.UserID, add, remove []string) error
	Private(ctx context.Context, user uc.UserID, namespace, name string) ([]byte, error) // nil if none
	PutPrivate(ctx context.Context, p uc.PrivateXML, limit int) error                    // uc.ErrConflict beyond the limit
	AddArchived(context.Context, []uc.ArchivedMessage) error                             // all or none
	LastArchived(context.Context) (id int64, err error)                                  // of users and rooms
	RemoveArchived(ctx context.Context, of uc.Archive, id int64) error
	ArchivesBeyond(ctx context.Context, quota int) ([]uc.Archive, error)
	TrimArchive(ctx context.Context, of uc.Archive, keep, limit int) (int64, error) // the newest stay
	DeleteArchived(ctx context.Context, before int64, limit int) (int64, error)
	Archived(context.Context, uc.ArchiveQuery) (uc.ArchivePage, error)
	ArchivePreferences(context.Context) ([]uc.ArchivePreferences, error)
	PutArchivePreferences(context.Context, uc.ArchivePreferences) error
	PushTargets(context.Context) ([]uc.PushTarget, error) // by user, the oldest first
	PutPushTarget(ctx context.Context, t uc.PushTarget, remove []uc.PushTarget) error
	DeletePushTargets(context.Context, []uc.PushTarget) error
	PubsubOwners(context.Context) ([]uc.UserID, error)
	PubsubNodes(context.Context, uc.UserID) ([]uc.PubsubNode, error)
	PubsubItems(context.Context, uc.UserID) ([]uc.PubsubItem, error) // oldest first, without payloads
	PubsubPayload(ctx context.Context, user uc.UserID, node, id string) ([]byte, error)
	PubsubPayloads(ctx context.Context, user uc.UserID, node string) (map[string][]byte, error) // by ID
	ChangePubsub(context.Context, uc.PubsubChange) error
	AddAudit(context.Context, uc.AuditEntry) error
	LastSeen(context.Context, uc.UserID) (uc.LastSeen, error) // zero times where they are not known
	PutLastSeen(context.Context, []uc.LastSeen) error
	Setting(ctx context.Context, name string) ([]byte, error) // nil if none
	PutSetting(ctx context.Context, name string, value []byte) error
}

// Profiles switches client profiles.
type Profiles interface {
	Switch(context.Context, uc.SwitchRequest) (uc.JournalEntry, error)
	State(uc.UserID) uc.ProfileState
	Release(ctx context.Context, user uc.UserID, by uc.Actor) (uc.JournalEntry, error) // ends a choice that was held
}

// Switches changes the live switches of a user; no changes and no error means that there was nothing to do.
type Switches interface {
	SetFollowMe(ctx context.Context, by uc.Actor, user uc.UserID, sel uc.DeviceSelect, classes []uc.Class, patch uc.RingPatch) ([]uc.Change, error)
	TeamLogin(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID) ([]uc.Change, error)
	TeamLogout(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID) ([]uc.Change, error)
	TeamPause(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID, reason string) ([]uc.Change, error)
	TeamUnpause(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID) ([]uc.Change, error)
	SetWorkplace(ctx context.Context, by uc.Actor, user uc.UserID, loc uc.LocationID) ([]uc.Change, error)
	UnsetWorkplace(ctx context.Context, by uc.Actor, user uc.UserID) ([]uc.Change, error)
	SetForwarding(ctx context.Context, by uc.Actor, user uc.UserID, kind uc.ForwardKind, class uc.ForwardClass, target string) ([]uc.Change, error)
	SetClientDND(ctx context.Context, by uc.Actor, user uc.UserID, on bool) error
	UnsetForwarding(ctx context.Context, by uc.Actor, user uc.UserID, kind uc.ForwardKind, class uc.ForwardClass) ([]uc.Change, error)
}

// Presences has the computed presence of users.
type Presences interface {
	Get(uc.UserID) uc.Presence
}

// Explainer tells what a call would do.
type Explainer interface {
	Explain(uc.PlanRequest) uc.Plan
}

// Phones shows and steers calls. What it is told to do it writes into the audit.
type Phones interface {
	Calls() []uc.Call
	HangUp(ctx context.Context, call string, by uc.Actor) error
	Divert(ctx context.Context, call, ext string, by uc.Actor) error // of a call that was not answered
	// Dial has a user's telephones ring and calls an extension when one is answered.
	Dial(ctx context.Context, user uc.UserID, ext string, by uc.Actor) (uc.Call, error)
	// Transfer sends one party of an answered call, the caller or the person called, on to an extension.
	Transfer(ctx context.Context, call, ext string, caller bool, by uc.Actor) error
}

// Deps are the parts of the product that the server works with.
type Deps struct {
	Directory Directory
	Store     Store
	Profiles  Profiles
	Switches  Switches
	Presences Presences
	Explainer Explainer        // nil: there is no telephony, and no command that asks it
	Phones    Phones           // nil: there is no telephony
	Uploads   *upload.Store    // nil: files cannot be uploaded
	Accounts  Accounts         // nil: administrators cannot change accounts
	Stop      func(again bool) // ends the server, and starts it again; it does not wait. nil: nobody can by XMPP
	Bus       *bus.Bus
	Tokens    negotiate.Tokens  // nil: clients cannot log in by tokens
	Passwords Passwords         // nil: users of LDAP cannot sign in
	Limiter   negotiate.Limiter // nil: logins are not slowed down
	Log       *slog.Logger
}
