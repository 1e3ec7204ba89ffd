package app

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/store"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/portable"
)

// mover moves users between the database and the portable format (XEP-0227).
type mover struct {
	cfg       *Config
	store     *store.Store
	directory *directory.Directory
	blocked   map[uc.UserID][]string
	archiving map[uc.UserID]uc.ArchivePreferences
}

func (cfg *Config) newMover(ctx context.Context) (*mover, error) {
	s, err := store.Open(ctx, cfg.DatabaseURL(), NewLogger(LogConfig{Level: "error"}, io.Discard))
	if err != nil {
		return nil, err
	}
	m := &mover{cfg: cfg, store: s, blocked: make(map[uc.UserID][]string), archiving: make(map[uc.UserID]uc.ArchivePreferences)}
	if m.directory, err = directory.Open(ctx, s, bus.New(), directory.Options{}); err != nil {
		s.Close()
		return nil, err
	}
	list, err := s.Blocked(ctx)
	if err != nil {
		s.Close()
		return nil, err
	}
	for _, b := range list {
		m.blocked[b.User] = append(m.blocked[b.User], b.JID)
	}
	preferences, err := s.ArchivePreferences(ctx)
	if err != nil {
		s.Close()
		return nil, err
	}
	for _, p := range preferences {
		m.archiving[p.User] = p
	}
	return m, nil
}

// ExportXMPP writes what the database keeps of all chat users, or of one, as XEP-0227. The server may be running.
func ExportXMPP(ctx context.Context, cfg *Config, login string, out io.Writer) error {
	m, err := cfg.newMover(ctx)
	if err != nil {
		return err
	}
	defer m.store.Close()
	dir := m.directory.Snapshot()
	if login != "" && dir.UserByLogin(login) == nil {
		return uc.Errorf(uc.ErrNotFound, "there is no user %s", login)
	}
	return portable.Write(out, cfg.Domain, m.users(ctx, dir, login))
}

func (m *mover) users(ctx context.Context, dir *uc.Directory, login string) iter.Seq2[*portable.User, error] {
	var list []*uc.User
	for _, u := range dir.Users.All() {
		if u.Auth != uc.AuthNone && (login == "" || u.Login == login) {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b *uc.User) int { return int(a.ID - b.ID) })
	return func(yield func(*portable.User, error) bool) {
		for _, u := range list {
			p, err := m.user(ctx, u)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// user reads what belongs to one user.
func (m *mover) user(ctx context.Context, u *uc.User) (p *portable.User, err error) {
	p = &portable.User{Login: u.Login, Keys: u.Password, Blocked: m.blocked[u.ID]}
	slices.Sort(p.Blocked)
	if p.Roster, err = m.store.RosterItems(ctx, u.ID); err != nil {
		return p, err
	}
	if p.VCard, err = m.store.VCard(ctx, u.ID); err != nil {
		return p, err
	}
	if p.Private, err = m.store.AllPrivate(ctx, u.ID); err != nil {
		return p, err
	}
	if p.Nodes, err = m.store.PubsubNodes(ctx, u.ID); err != nil {
		return p, err
	}
	if p.Items, err = m.store.PubsubItems(ctx, u.ID); err != nil {
		return p, err
	}
	for i := range p.Items {
		it := &p.Items[i]
		if it.Payload, err = m.store.PubsubPayload(ctx, u.ID, it.Node, it.ID); err != nil {
			return p, err
		}
	}
	if preferences, ok := m.archiving[u.ID]; ok {
		p.Preferences = &preferences
	}
	p.Archive = m.archive(ctx, u.ID)
	p.Offline, err = m.store.Offline(ctx, u.ID)
	return p, err
}

// How much of an archive is in memory at a time.
const (
	archivePage  = 500     // messages
	archiveBytes = 1 << 20 // about
)

// archive reads a user's archive, a page at a time.
func (m *mover) archive(ctx context.Context, user uc.UserID) iter.Seq2[uc.ArchivedMessage, error] {
	return func(yield func(uc.ArchivedMessage, error) bool) {
		for after := int64(0); ; {
			page, err := m.store.ArchivedAfter(ctx, uc.Archive{User: user}, after, archivePage, archiveBytes)
			if err != nil {
				yield(uc.ArchivedMessage{}, err)
				return
			}
			for _, message := range page {
				if !yield(message, nil) {
					return
				}
				after = message.ID
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

// ImportXMPP reads users in the format of XEP-0227 and tells, one line a user, what is created and changed; dry only
// tells it. If anything is wrong with the file nothing is written. The server must not be running. Users who exist
// keep their password; of their contacts and data those that the file names are replaced. beside has the files that it is
// made of, nil if there are none. They are read twice: the archives are not kept in memory.
func ImportXMPP(ctx context.Context, cfg *Config, in io.ReadSeeker, beside fs.FS, dry bool, told io.Writer) error {
	if err := writable(cfg.Data); err != nil {
		return err
	}
	lock, err := listenControl(cfg.Data)
	if err != nil {
		return err // it says that a server is running
	}
	defer lock.Close()
	users, err := portable.Read(in, beside, cfg.Domain, nil)
	if err != nil {
		return fmt.Errorf("nothing was imported:\n%w", err)
	}
	m, err := cfg.newMover(ctx)
	if err != nil {
		return err
	}
	defer m.store.Close()
	archives := false
	for _, p := range users {
		m.tell(told, p)
		if dry {
			continue
		}
		if err := m.put(ctx, p); err != nil {
			return fmt.Errorf("user %s: %w", p.Login, err)
		}
		archives = archives || p.Archived > 0
	}
	if !archives {
		return nil
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return m.putArchives(ctx, in, beside)
}

// putArchives reads the file once more and adds the messages of its archives that are not there already.
func (m *mover) putArchives(ctx context.Context, in io.Reader, beside fs.FS) error {
	dir := m.directory.Snapshot()
	var batch []uc.ArchivedMessage
	size := 0
	write := func() error {
		_, err := m.store.ImportArchived(ctx, batch)
		batch, size = batch[:0], 0
		return err
	}
	_, err := portable.Read(in, beside, m.cfg.Domain, func(login string, message uc.ArchivedMessage) error {
		message.User = dir.UserByLogin(login).ID // it was put there
		batch = append(batch, message)
		if size += len(message.Stanza); len(batch) < archivePage && size < archiveBytes {
			return nil
		}
		return write()
	})
	if err != nil {
		return err
	}
	return write()
}

// tell writes what becomes of a user.
func (m *mover) tell(w io.Writer, p *portable.User) {
	what := "changed"
	if m.directory.Snapshot().UserByLogin(p.Login) == nil {
		what = "created"
		switch {
		case p.Password == "" && !p.HasKeys():
			what += " without a password: set one on the admin page"
		case p.Password == "" && p.Keys.Hashes() != uc.AllHashes:
			what += "; can sign in by " + mechanisms(p.Keys.Hashes()) + " and PLAIN, by others once the client has made the keys (XEP-0480) or the password was given"
		}
	}
	fmt.Fprintf(w, "%s: %s; contacts %d, nodes %d, private elements %d, blocked %d, messages that wait %d, archived %d\n", p.Login, what,
		len(p.Roster), len(p.Nodes), len(p.Private), len(p.Blocked), len(p.Offline), p.Archived)
	for _, text := range p.Ignored {
		fmt.Fprintf(w, "%s: not imported: %s\n", p.Login, text)
	}
}

// mechanisms names those of SCRAM that keys are for.
func mechanisms(set uc.HashSet) string {
	var names []string
	for i, name := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		if set&(uc.SHA1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// importer is who an import is written down for.
var importer = uc.Actor{Name: "import", Via: "command line"}

// put writes what belongs to one user.
func (m *mover) put(ctx context.Context, p *portable.User) error {
	id, err := m.account(ctx, p)
	if err != nil {
		return err
	}
	for _, it := range p.Roster {
		it.User = id
		if err := m.store.PutRosterItem(ctx, it); err != nil {
			return err
		}
	}
	if p.VCard != nil {
		if err := m.store.PutVCard(ctx, id, p.VCard); err != nil {
			return err
		}
	}
	for _, x := range p.Private {
		x.User = id
		if err := m.store.PutPrivate(ctx, x, maxPrivate); err != nil {
			return err
		}
	}
	if err := m.store.ChangePubsub(ctx, uc.PubsubChange{User: id, PutNodes: p.Nodes, PutItems: p.Items}); err != nil {
		return err
	}
	if p.Preferences != nil {
		preferences := *p.Preferences
		preferences.User = id
		if err := m.store.PutArchivePreferences(ctx, preferences); err != nil {
			return err
		}
	}
	fresh := slices.DeleteFunc(slices.Clone(p.Blocked), func(jid string) bool { return slices.Contains(m.blocked[id], jid) })
	if err := m.store.ChangeBlocked(ctx, id, fresh, nil); err != nil {
		return err
	}
	return m.putOffline(ctx, id, p.Offline)
}

// maxPrivate is more than any file of sense has of one user.
const maxPrivate = 1000

// putOffline adds the messages that do not wait already, so that a repeated import doubles nothing.
func (m *mover) putOffline(ctx context.Context, user uc.UserID, list []uc.OfflineMessage) error {
	have, err := m.store.Offline(ctx, user)
	if err != nil {
		return err
	}
	waiting := make(map[string]bool)
	for _, o := range have {
		waiting[string(o.Stanza)] = true
	}
	var fresh []uc.OfflineMessage
	for _, o := range list {
		if o.User = user; !waiting[string(o.Stanza)] {
			fresh = append(fresh, o)
		}
	}
	_, err = m.store.AddOffline(ctx, fresh)
	return err
}

// account returns the number of a user, who is added if there is none of that name.
func (m *mover) account(ctx context.Context, p *portable.User) (uc.UserID, error) {
	if u := m.directory.Snapshot().UserByLogin(p.Login); u != nil {
		return u.ID, nil
	}
	u, err := m.directory.ImportUser(ctx, importer, uc.User{Login: p.Login, Name: p.Login, Auth: uc.AuthLocal, CallWaiting: true, Voicemail: uc.VoicemailOff}, p.Password, p.Keys)
	return u.ID, err
}
