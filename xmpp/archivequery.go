package xmpp

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsPaging = "http://jabber.org/protocol/rsm"

// The limits of one page of an archive.
const (
	archivePage      = 50 // messages, unless the client asks for another number
	archivePageMax   = 250
	archivePageBytes = 1 << 20
)

// archiveRequest is a request about an archive, of the sender or of a room.
type archiveRequest struct {
	*request
	of   uc.Archive
	room *roomView // of a room's archive: what the sender may see of it
}

// ownArchive is a request about the sender's own archive.
func (r *request) ownArchive() *archiveRequest {
	return &archiveRequest{request: r, of: uc.Archive{User: r.from.account.user}}
}

// archiveGet answers what can be asked of an archive beside messages: the fields of a query, the ends of
// the archive, the preferences (XEP-0313 §4.1.5, §7, XEP-0441).
func (r *request) archiveGet() error { return r.ownArchive().get() }

func (r *archiveRequest) get() error {
	if r.server.archive == nil {
		return errServiceUnavailable
	}
	p, err := r.payload()
	switch {
	case err != nil:
		return err
	case p.Name == "query":
		return r.reply([]byte(archiveForm))
	case p.Name == "metadata":
		return r.archiveMetadata()
	case p.Name == "prefs" && r.room == nil:
		return r.archivePrefs(p)
	}
	return errBadRequest
}

const archiveForm = "<query xmlns='" + nsArchive + "'><x xmlns='" + nsForms + "' type='form'>" +
	"<field type='hidden' var='FORM_TYPE'><value>" + nsArchive + "</value></field><field type='jid-single' var='with'/>" +
	"<field type='text-single' var='start'/><field type='text-single' var='end'/>" +
	"<field type='text-single' var='before-id'/><field type='text-single' var='after-id'/><field type='list-multi' var='ids'>" +
	"<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'><open/></validate></field></x></query>"

// archiveSet handles queries and preferences (XEP-0313 §4).
func (r *request) archiveSet() error { return r.ownArchive().set() }

func (r *archiveRequest) set() error {
	if r.server.archive == nil {
		return errServiceUnavailable
	}
	p, err := r.payload()
	switch {
	case err != nil:
		return err
	case p.Name == "query":
		return r.archiveQuery(p)
	case p.Name == "prefs" && r.room == nil:
		return r.archivePrefs(p)
	}
	return errBadRequest
}

// archiveQuery sends the messages that the client asks for, and then how many there are (XEP-0313 §4.2).
func (r *archiveRequest) archiveQuery(query *scan.Node) error {
	q, err := r.readArchiveQuery(query)
	if err != nil {
		return err
	}
	page, err := r.server.archived(q)
	if err != nil {
		return err
	}
	list := page.Messages
	if query.Child(nsArchive, "flip-page") != nil {
		list = slices.Clone(list)
		slices.Reverse(list) // §4.3.4; <first/> and <last/> stay in the order of time
	}
	for _, m := range list {
		r.batch.push(r.from, r.archiveResult(m, query.Attr("queryid")))
		r.batch.pace(r.from)
	}
	return r.reply(r.archiveFin(page, !q.Last))
}

// archived reads a page, behind all that was put in line before.
func (s *Server) archived(q uc.ArchiveQuery) (uc.ArchivePage, error) {
	if q.Room != "" {
		s.rooms.Sync()
	} else {
		s.archive.sync()
	}
	return s.deps.Store.Archived(s.ctx, q)
}

func (r *archiveRequest) archiveResult(m uc.ArchivedMessage, queryID string) []byte {
	from, raw := r.from.account.bare, m.Stanza
	if r.room != nil {
		from, raw = string(r.head.To), r.room.shown(m)
	}
	e := newElement("message").attr("to", r.from.jid).attr("from", from).attr("id", randomID()[:8])
	e.start("result").attr("xmlns", nsArchive).attrIf("queryid", queryID).attr("id", r.server.archive.textID(m.Archive, m.ID))
	e.b = appendArchived(e.open().b, raw, m.At())
	return e.close("result").close("message").bytes()
}

// archiveFin ends the answer to a query. Paging backwards it has no index, which is optional: slixmpp would
// take the newest page for the end.
func (r *archiveRequest) archiveFin(page uc.ArchivePage, indexed bool) []byte {
	e := newElement("fin").attr("xmlns", nsArchive)
	if page.Complete {
		e.attr("complete", "true")
	}
	e.start("set").attr("xmlns", nsPaging)
	if n := len(page.Messages); n > 0 {
		first, last := page.Messages[0], page.Messages[n-1]
		e.start("first")
		if indexed {
			e.attr("index", strconv.Itoa(page.Index))
		}
		e.chars(r.server.archive.textID(first.Archive, first.ID)).close("first")
		e.text("last", r.server.archive.textID(last.Archive, last.ID))
	}
	return e.text("count", strconv.Itoa(page.Count)).close("set").close("fin").bytes()
}

// archiveMetadata tells how far the archive goes (XEP-0313 §7).
func (r *archiveRequest) archiveMetadata() error {
	ends, err := r.server.archiveEnds(r.of)
	if err != nil {
		return err
	}
	return r.reply(ends)
}

// archiveEnds names the first and the last message of an archive.
func (s *Server) archiveEnds(of uc.Archive) ([]byte, error) {
	e := newElement("metadata").attr("xmlns", nsArchive)
	for _, end := range []struct {
		name string
		last bool
	}{{"start", false}, {"end", true}} {
		page, err := s.archived(uc.ArchiveQuery{Archive: of, Max: 1, Last: end.last})
		if err != nil {
			return nil, err
		}
		for _, m := range page.Messages {
			e.start(end.name).attr("id", s.archive.textID(m.Archive, m.ID)).attr("timestamp", m.At().Format(delayLayout)).close(end.name)
		}
	}
	return e.close("metadata").bytes(), nil
}

func (r *archiveRequest) readArchiveQuery(query *scan.Node) (q uc.ArchiveQuery, err error) {
	q = uc.ArchiveQuery{Archive: r.of, Max: archivePage, Bytes: archivePageBytes}
	in, _, ok := readForm(query)
	if ok && in.one("FORM_TYPE") != nsArchive {
		return q, errBadRequest // §4.1
	}
	for name := range in {
		if err := r.readArchiveField(&q, name, in); err != nil {
			return q, err
		}
	}
	return q, r.readPaging(&q, query.Child(nsPaging, "set"))
}

// readArchiveField narrows a query by one field of its form (XEP-0313 §4.1).
func (r *archiveRequest) readArchiveField(q *uc.ArchiveQuery, name string, in values) error {
	value := in.one(name)
	switch name {
	case "FORM_TYPE":
	case "with":
		j, err := jid.Parse(value)
		if err != nil {
			return stanza.Error{Type: stanza.Modify, Condition: stanza.JIDMalformed}
		}
		if r.room != nil {
			return r.room.with(q, j)
		}
		q.Peer, q.Resource = j.Bare().String(), j.Resourcepart()
	case "start", "end":
		at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(value))
		if err != nil {
			return errBadRequest
		}
		if name == "start" {
			q.From = max(q.From, archiveTime(at))
		} else {
			q.To = earlier(q.To, archiveTime(at)+int64(time.Microsecond))
		}
	case "after-id", "before-id":
		id, err := r.knownID(q, value)
		if err != nil {
			return err
		}
		if name == "after-id" {
			q.From = max(q.From, id+1)
		} else {
			q.To = earlier(q.To, id)
		}
	case "ids":
		return r.readArchiveIDs(q, in[name])
	default:
		return stanza.Error{Type: stanza.Cancel, Condition: stanza.FeatureNotImplemented} // §4.1.5
	}
	return nil
}

// archiveTime is the ID of the first message that is shown with a time.
func archiveTime(at time.Time) int64 {
	switch year := at.Year(); {
	case year < 1970:
		return 1
	case year > 2200: // beyond are numbers that do not fit
		return math.MaxInt64 - int64(time.Second)
	}
	return max(1, at.Truncate(time.Microsecond).UnixNano())
}

// earlier returns the lower of two ends, of which 0 is none.
func earlier(a, b int64) int64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

func (r *archiveRequest) readArchiveIDs(q *uc.ArchiveQuery, texts []string) error {
	if len(texts) > archivePageMax {
		return errNotAcceptable
	}
	for _, text := range texts {
		id, err := r.knownID(q, text)
		if err != nil {
			return err
		}
		q.IDs = append(q.IDs, id)
	}
	return nil
}

// knownID reads an ID that the archive must have: if it has not, the answer is item-not-found (XEP-0313 §4.1.3).
func (r *archiveRequest) knownID(q *uc.ArchiveQuery, text string) (int64, error) {
	id, ok := r.server.archive.parseID(r.of, strings.TrimSpace(text))
	if !ok {
		return 0, errItemNotFound
	}
	q.Known = append(q.Known, id)
	return id, nil
}

// readPaging reads which page the client wants (XEP-0059 §2).
func (r *archiveRequest) readPaging(q *uc.ArchiveQuery, set *scan.Node) (err error) {
	if set == nil {
		return nil
	}
	for _, n := range set.Nodes {
		text := strings.TrimSpace(n.Text)
		switch n.Name {
		case "max", "index":
			number, nerr := strconv.ParseUint(text, 10, 31)
			if nerr != nil {
				return errBadRequest
			}
			if n.Name == "max" {
				q.Max = int(min(number, archivePageMax))
			} else {
				q.Skip = int(number)
			}
		case "after":
			q.After, err = r.knownID(q, text)
		case "before":
			q.Last = true
			if text != "" {
				q.Before, err = r.knownID(q, text)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
