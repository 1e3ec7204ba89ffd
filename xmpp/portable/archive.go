package portable

import (
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// maxAhead is how far a message may lie in the future: clocks differ a little, but what is archived later gets later IDs.
const maxAhead = 24 * time.Hour

// archive reads a user's archive, one message at a time (XEP-0227 §4.11). Only the first problem of an archive is told.
func (r *reader) archive(u *User, problem func(string, ...any)) error {
	told := false
	return r.elements(func(start xml.StartElement) error {
		n, err := readNode(r.d, start, 0)
		if err != nil {
			return err
		}
		if n.Name != "result" {
			u.Ignored = append(u.Ignored, n.Name+" in the archive")
			return nil
		}
		m, err := archivedOf(n, u.Login+"@"+r.domain)
		if err != nil {
			if !told {
				problem("archive: message %s: %w", n.Attr("id"), err)
			}
			told = true
			return nil
		}
		u.Archived++
		if r.archived == nil {
			return nil
		}
		return r.archived(u.Login, m)
	})
}

// archivedOf reads a message in the form in which archives show it (XEP-0313 §4.2). Its ID is the time; it need not be
// the only one with that.
func archivedOf(result *scan.Node, own string) (m uc.ArchivedMessage, err error) {
	forwarded := result.Child(nsForward, "forwarded")
	if forwarded == nil {
		return m, errors.New("it has no forwarded message")
	}
	delay, n := forwarded.Child(nsDelay, "delay"), forwarded.Child(scan.NSClient, "message")
	if delay == nil || n == nil {
		return m, errors.New("it has no delay or no message")
	}
	at, err := time.Parse(time.RFC3339, delay.Attr("stamp"))
	if err != nil || at.Year() < 1971 || at.After(time.Now().Add(maxAhead)) {
		return m, fmt.Errorf("it cannot be of %q", delay.Attr("stamp"))
	}
	peer, err := peerOf(n, own)
	if err != nil {
		return m, err
	}
	n.Nodes = slices.DeleteFunc(n.Nodes, func(c *scan.Node) bool { // it was the ID in another archive
		return c.NS == nsStanzaID && c.Name == "stanza-id" && c.Attr("by") == own
	})
	return uc.ArchivedMessage{ID: at.UnixNano(), Peer: peer.Bare().String(), Resource: peer.Resourcepart(), Stanza: n.AppendXML(nil, scan.NSClient)}, nil
}

// peerOf returns the address of the other side of a message.
func peerOf(n *scan.Node, own string) (jid.JID, error) {
	text := n.Attr("from")
	from, err := jid.Parse(text)
	if text == "" || err == nil && from.Bare().String() == own {
		if text = n.Attr("to"); text == "" {
			text = own
		}
		from, err = jid.Parse(text)
	}
	if err != nil {
		return jid.JID{}, fmt.Errorf("%q is not an address", text)
	}
	return from, nil
}

// readPreferences reads what is kept in the archive (XEP-0441 §2).
func (u *User) readPreferences(n *scan.Node) error {
	p := &uc.ArchivePreferences{Standard: n.Attr("default"), Always: []string{}, Never: []string{}}
	if !slices.Contains([]string{"always", "never", "roster"}, p.Standard) {
		return fmt.Errorf("archive: %q is no preference", p.Standard)
	}
	for name, list := range map[string]*[]string{"always": &p.Always, "never": &p.Never} {
		el := n.Child(nsArchive, name)
		if el == nil {
			continue
		}
		for _, c := range el.Nodes {
			parsed, err := jid.Parse(c.Text)
			if err != nil {
				return fmt.Errorf("archive: %q is not an address", c.Text)
			}
			*list = append(*list, parsed.String())
		}
	}
	u.Preferences = p
	return nil
}
