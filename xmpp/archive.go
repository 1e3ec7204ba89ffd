package xmpp

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsArchive  = "urn:xmpp:mam:2"
	nsStanzaID = "urn:xmpp:sid:0"
	nsRetract  = "urn:xmpp:message-retract:1"
)

// How messages get from the line into the database.
const (
	archiveLine  = 4 << 20 // bytes in line from which on senders wait
	archiveSpare = 1 << 20 // bytes of a buffer that is used again
)

// archive keeps the messages of users (XEP-0313). They are put in line, and its writer commits together what
// has come together: a message costs its sender a copy of its bytes. Whatever tells the sender that a
// message was handled waits for the line to be written up to it (docs/adr/0007), and so does who reads the
// archive; a message itself is delivered at once.
type archive struct {
	store  Store
	log    *slog.Logger
	secret cipher.Block
	quota  int // messages of one archive; 0: as many as there are

	line            // of what is to be written; its lock guards all below
	last      int64 // ID
	rows      []archiveRow
	stanzas   []byte // of the rows
	spare     []archiveRow
	buffer    []byte             // spare
	withdrawn []archiveRow       // to be taken out again
	grown     map[uc.Archive]int // messages since the archive was last trimmed
	toTrim    map[uc.Archive]struct{}
	block     [aes.BlockSize]byte // scratch of appendID

	trim chan struct{}
}

// archiveRow is a message in line; from and to delimit its stanza.
type archiveRow struct {
	user           uc.UserID // 0: it was withdrawn
	id             int64
	peer, resource string
	from, to       int
}

// filed says where a message is in the archives.
type filed struct {
	id             int64 // 0: nowhere
	sender, reader uc.UserID
	upTo           uint64 // place in the line
}

func (s *Server) newArchive(ctx context.Context) (*archive, error) {
	last, err := s.deps.Store.LastArchived(ctx)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(append([]byte("archive "), s.cfg.Secret...))
	secret, err := aes.NewCipher(key[:16])
	if err != nil {
		return nil, err
	}
	a := &archive{
		store: s.deps.Store, log: s.log, secret: secret, last: last, quota: s.cfg.ArchiveQuota,
		grown: map[uc.Archive]int{}, toTrim: map[uc.Archive]struct{}{}, trim: make(chan struct{}, 1),
	}
	a.init()
	return a, nil
}

// run writes the line until ctx ends, and then what is left.
func (a *archive) run(ctx context.Context) { a.serve(ctx, a.write) }

// write commits what is in line.
func (a *archive) write(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	a.mu.Lock()
	rows, stanzas, withdrawn := a.rows, a.stanzas, a.withdrawn
	a.rows, a.stanzas, a.withdrawn = a.spare[:0], a.buffer[:0], nil
	a.mu.Unlock()
	list := make([]uc.ArchivedMessage, 0, len(rows))
	for _, r := range rows {
		if r.user != 0 {
			list = append(list, uc.ArchivedMessage{Archive: uc.Archive{User: r.user}, ID: r.id, Peer: r.peer, Resource: r.resource, Stanza: stanzas[r.from:r.to]})
		}
	}
	a.save(ctx, list)
	a.remove(ctx, withdrawn)
	a.grow(list)
	clear(rows)
	a.mu.Lock()
	a.spare, a.buffer = rows, nil
	if cap(stanzas) <= archiveSpare {
		a.buffer = stanzas
	}
	called := a.wrote(len(rows) + len(withdrawn))
	a.mu.Unlock()
	called.call()
}

// remove takes messages out of archives.
func (a *archive) remove(ctx context.Context, list []archiveRow) {
	for _, r := range list {
		if err := a.store.RemoveArchived(ctx, uc.Archive{User: r.user}, r.id); err != nil {
			a.log.Error("xmpp: a message that was refused stays in the archive", "cause", err)
		}
	}
}

// save stores messages. Those of users who are gone are left out.
func (a *archive) save(ctx context.Context, list []uc.ArchivedMessage) {
	if len(list) == 0 {
		return
	}
	err := a.store.AddArchived(ctx, list)
	switch {
	case err == nil:
	case !errors.Is(err, uc.ErrNotFound):
		a.log.Error("xmpp: messages are missing in the archive", "count", len(list), "cause", err)
	case len(list) > 1:
		a.save(ctx, list[:len(list)/2])
		a.save(ctx, list[len(list)/2:])
	}
}

// withdraw takes a message out again that its sender was refused.
func (a *archive) withdraw(f filed) {
	if f.id == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, user := range [...]uc.UserID{f.sender, f.reader} {
		if user == 0 {
			continue
		}
		at := slices.IndexFunc(a.rows, func(r archiveRow) bool { return r.id == f.id && r.user == user })
		if at >= 0 {
			a.rows[at].user = 0
			continue
		}
		a.withdrawn = append(a.withdrawn, archiveRow{user: user, id: f.id})
		a.queued++
	}
	signal(a.wake)
}

// put puts a message in line for its sender, its recipient or both; nil is for neither. It appends the ID
// that the message has in the recipient's archive to dst, as clients are told it. IDs rise in the order of
// the line, so that whoever has read up to one does not miss a message later.
func (a *archive) put(r *reader, dst []byte, from, to *archiveRow, stanza []byte) ([]byte, filed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.stanzas) >= archiveLine && !a.closed {
		r.mayWait()
		a.changed.Wait()
	}
	if a.closed {
		return dst, filed{}
	}
	f := filed{id: a.next()}
	start := len(a.stanzas)
	a.stanzas = append(a.stanzas, stanza...)
	for _, row := range [...]*archiveRow{from, to} {
		if row != nil {
			row.id, row.from, row.to = f.id, start, len(a.stanzas)
			a.rows = append(a.rows, *row)
			a.queued++
		}
	}
	if f.upTo = a.queued; from != nil {
		f.sender = from.user
	}
	if to != nil {
		f.reader = to.user
	}
	signal(a.wake)
	if to == nil {
		return dst, f
	}
	return a.appendID(dst, uc.Archive{User: to.user}, f.id), f
}

// next returns a new ID; mu is held.
func (a *archive) next() int64 {
	a.last = max(a.last+1, time.Now().UnixNano())
	return a.last
}

// appendID appends an ID as clients see it: in an order, but not to be guessed (XEP-0313 §3). mu is held.
func (a *archive) appendID(dst []byte, of uc.Archive, id int64) []byte {
	b := a.block[:]
	binary.BigEndian.PutUint64(b, uint64(id))
	dst = hex.AppendEncode(dst, b[:8])
	binary.BigEndian.PutUint64(b[8:], uint64(of.User))
	if of.Room != "" {
		name := sha256.Sum256([]byte(of.Room))
		copy(b[8:], name[:])
		b[8] |= 0x80 // no user has such a number
	}
	a.secret.Encrypt(b, b)
	return hex.AppendEncode(dst, b[:8])
}

// textID returns an ID as clients see it.
func (a *archive) textID(of uc.Archive, id int64) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return string(a.appendID(nil, of, id))
}

// parseID reads an ID that textID made for the same archive.
func (a *archive) parseID(of uc.Archive, text string) (int64, bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 16 {
		return 0, false
	}
	id := int64(binary.BigEndian.Uint64(b))
	return id, a.textID(of, id) == text
}

// stampMessage returns the message as its recipients get it: from the sender's full address, and with its
// archive ID if it is archived (XEP-0359 §3.2). It is valid until the batch's scratch is used again.
func (r *request) stampMessage(dest destination) []byte {
	b := r.batch
	b.scratch = scan.AppendStamped(b.scratch[:0], r.raw, &r.head, r.from.jidBytes, nil)
	if r.server.archive == nil || dest.account == nil && dest.abroad == nil || !worthArchiving(&r.head, r.raw) {
		return b.scratch
	}
	from := archiveRow{user: r.from.account.user, peer: dest.bare}
	if dest.resource {
		from.resource = resourceOf(r.head.To)
	}
	to := archiveRow{peer: r.from.account.bare, resource: r.from.resource}
	if dest.account != nil {
		to.user = dest.account.user
	}
	raw, f := r.server.archiveMessage(b, r.from.account, &from, to, dest.account)
	if r.filed = f; f.id != 0 {
		r.from.filed = f.upTo
	}
	return raw
}

// archiveMessage puts the message in the batch's scratch in line, and returns it with its ID if the recipient
// archives it. own and from are nil for a message of the server, recipient is nil for one to another domain.
func (s *Server) archiveMessage(b *batch, own *account, from *archiveRow, to archiveRow, recipient *account) (raw []byte, f filed) {
	sent := from != nil && own != recipient && !own.foreign() && s.archives(b, own, from.peer, from.resource)
	received := recipient != nil && s.archives(b, recipient, to.peer, to.resource)
	n := len(b.scratch)
	end := bytes.LastIndex(b.scratch, []byte("</"))
	if end < 0 || !sent && !received {
		return b.scratch, filed{}
	}
	stanza := b.scratch
	switch {
	case !received:
		_, f = s.archive.put(b.reader, nil, from, nil, stanza)
		return stanza, f
	case !sent:
		from = nil
	}
	b.scratch = append(b.scratch, stanza[:end]...)
	b.scratch = append(b.scratch, "<stanza-id xmlns='"+nsStanzaID+"' by='"...)
	b.scratch = append(scan.AppendEscaped(b.scratch, recipient.bare), "' id='"...)
	b.scratch, f = s.archive.put(b.reader, b.scratch, from, &to, stanza)
	b.scratch = append(append(b.scratch, "'/>"...), stanza[end:n]...)
	return b.scratch[n:], f
}

// worthArchiving reports whether a message belongs into archives: one that says something and does not
// ask to be forgotten (XEP-0313 §5.1.1, XEP-0334). Most are known by their first child.
func worthArchiving(h *scan.Head, raw []byte) bool {
	switch string(h.Type) {
	case "error", "headline", "groupchat":
		return false
	}
	if !bytes.Contains(raw, []byte(nsHints)) {
		if string(h.Child) == "body" && string(h.ChildNS) == scan.NSClient {
			return true
		}
		if !bytes.Contains(raw, []byte("body")) && !bytes.Contains(raw, []byte(nsRetract)) {
			return false
		}
	}
	n, err := scan.Parse(raw)
	if err != nil || n.Child(nsHints, "no-store") != nil || n.Child(nsHints, "no-permanent-store") != nil {
		return false
	}
	return n.Child(scan.NSClient, "body") != nil || n.Child(nsHints, "store") != nil ||
		n.Child(nsRetract, "retract") != nil // XEP-0424 §5: always
}

// dropForged takes out of a message or presence what only this server may say of it: archive IDs (XEP-0359 §5), and that it was
// delayed here (XEP-0203 §5), also in the old form that clients still read (XEP-0091). Only that can hide, behind references.
func (r *request) dropForged() {
	if !bytes.Contains(r.raw, []byte("stanza-id")) && !bytes.Contains(r.raw, []byte("delay")) && !bytes.Contains(r.raw, []byte("&#")) {
		return
	}
	raw, some := leaveOut(r.raw, r.forged)
	if !some {
		return
	}
	if head, whole, _, err := scan.New(unlimited).Next(raw); err == nil {
		r.head, r.raw = head, whole
	}
}

// leaveOut returns a stanza without some of its children, and whether it has them: if not, the same bytes.
func leaveOut(raw []byte, unwanted func(*scan.Node) bool) ([]byte, bool) {
	n, err := scan.Parse(raw)
	if err != nil {
		return raw, false // it was parsed when it came
	}
	all := len(n.Nodes)
	if n.Nodes = slices.DeleteFunc(n.Nodes, unwanted); len(n.Nodes) == all {
		return raw, false
	}
	return n.AppendXML(nil, scan.NSClient), true
}

// forged reports whether something is said in the name of this server. Who sends late what could not be sent before says
// so in the own name.
func (r *request) forged(n *scan.Node) bool {
	var by string
	switch {
	case n.Name == "stanza-id" && n.NS == nsStanzaID:
		by = n.Attr("by")
	case n.Name == "delay" && n.NS == nsDelay, n.Name == "x" && n.NS == nsOldDelay:
		if by = n.Attr("from"); by == "" || r.from.account.is(by) {
			return false
		}
	default:
		return false
	}
	return r.server.speaksFor(by) && !r.from.speaksFor(by)
}

// is reports whether an address is the user's, with or without a resource.
func (a *account) is(address string) bool {
	j, err := jid.Parse(address)
	return err == nil && j.Bare().String() == a.bare
}

// speaksFor reports whether an address is of the stranger's own domain, which may be one below the server's.
func (c *session) speaksFor(address string) bool {
	return c.account.foreign() && domainOf([]byte(address)) == c.account.domain
}

// speaksFor reports whether an address is of the served domain, or so broken that it may pass for one.
func (s *Server) speaksFor(address string) bool {
	j, err := jid.Parse(address)
	if err != nil {
		return true
	}
	return j.Domainpart() == s.cfg.Domain || bytes.HasSuffix([]byte(j.Domainpart()), []byte("."+s.cfg.Domain))
}
