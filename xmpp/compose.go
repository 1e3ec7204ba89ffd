package xmpp

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// nsPresence qualifies what the server adds to presence.
const nsPresence = "urn:rolecall:presence:0"

// clientPresence is the last available presence of a client, as it describes itself.
type clientPresence struct {
	raw      []byte // stamped with the client's address
	show     uc.Show
	blank    bool // an empty <show/> is in raw
	status   string
	priority int8
	since    time.Time
	photo    photoSaid // about the avatar
	caps     capsHash
}

// readPresence checks and decodes an available presence (RFC 6121 §4.7.2).
func readPresence(raw []byte) (clientPresence, error) {
	n, err := scan.Parse(raw)
	if err != nil {
		return clientPresence{}, errBadRequest
	}
	p := clientPresence{show: uc.ShowAvailable, status: n.ChildText(scan.NSClient, "status")}
	for _, child := range n.Nodes {
		switch {
		case child.NS == nsPresence:
			return p, errForbidden // only the server speaks for the profile and the telephone
		case child.NS == nsVCardUpdate && child.Name == "x":
			p.photo = readPhotoSaid(child)
		case child.NS == nsCaps && child.Name == "c":
			p.caps = readCaps(child)
		}
	}
	if show := n.Child(scan.NSClient, "show"); show != nil {
		text := strings.TrimSpace(show.Text)
		if p.blank = text == ""; p.blank { // go-xmpp means that there is none; it is not passed on
			p.show = uc.ShowAvailable
		} else if p.show, err = readShow(text); err != nil {
			return p, err
		}
	}
	if text := strings.TrimSpace(n.ChildText(scan.NSClient, "priority")); text != "" {
		v, err := strconv.ParseInt(text, 10, 8)
		if err != nil {
			return p, stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest, Text: map[string]string{"en": "priority is not within -128 and 127"}}
		}
		p.priority = int8(v)
	}
	return p, nil
}

func readShow(text string) (uc.Show, error) {
	switch text {
	case "away", "chat", "dnd", "xa":
		return uc.ParseShow(text)
	}
	return 0, errBadRequest // RFC 6121 §4.7.2.1
}

// shown is a presence as it goes out: to those who may know the details, and to the others. A nil one is
// not sent.
type shown struct{ full, plain []byte }

// toAll is a presence without details.
func toAll(raw []byte) shown { return shown{raw, raw} }

// to returns what a viewer is sent.
func (p shown) to(full bool) []byte {
	if full {
		return p.full
	}
	return p.plain
}

// since leaves out what is as it was.
func (p shown) since(was shown) shown {
	if bytes.Equal(p.full, was.full) {
		p.full = nil
	}
	if bytes.Equal(p.plain, was.plain) {
		p.plain = nil
	}
	return p
}

// overlay is what the server lays over the presence of every resource of a user.
type overlay struct {
	loaded  bool
	version uint64
	phone   uc.PhoneState
	photo   photo // goes to clients' presence only
	full    layer // for those who may know why somebody is busy
	plain   layer // for the others
}

// layer is an overlay for one class of viewers.
type layer struct {
	floor  uc.Floor
	extras string // <profile/> and <call/>, ready to send
}

// makeOverlay takes from a computed presence what goes over the clients' own.
func makeOverlay(p uc.Presence) overlay {
	return overlay{loaded: true, version: p.Version, phone: p.Phone, full: makeLayer(p), plain: makeLayer(p.Plain())}
}

func makeLayer(p uc.Presence) layer {
	l := layer{floor: p.Floor}
	e := new(element)
	if v := p.Profile; v != nil {
		e.start("profile").attr("xmlns", nsPresence).attr("name", v.Name).attrIf("color", v.Color).attrIf("icon", v.Icon)
		if !v.Since.IsZero() {
			e.attr("since", v.Since.UTC().Format(time.RFC3339))
		}
		e.attrIf("reason", p.Reason).close("profile")
	}
	if c := p.Call; c != nil {
		e.start("call").attr("xmlns", nsPresence).attr("since", c.Since.UTC().Format(time.RFC3339)).attrIf("with", c.Peer).close("call")
		if c.Peer != "" && l.floor.CallText != "" {
			l.floor.CallText += " with " + c.Peer // most clients show nothing but the status
		}
	}
	l.extras = string(e.bytes())
	return l
}

// detailed reports whether some viewers are shown more than others.
func (o *overlay) detailed() bool { return o.full != o.plain }

// same reports whether two overlays show the same.
func (o overlay) same(p overlay) bool {
	p.version = o.version
	return o == p
}

// compose returns a client's presence with the overlay laid over it.
func (o *overlay) compose(p *clientPresence) shown {
	full := o.composeLayer(&o.full, p)
	if !o.detailed() {
		return toAll(full)
	}
	return shown{full, o.composeLayer(&o.plain, p)}
}

// composeLayer lays one layer over a client's presence. Where it changes neither show nor status, the
// client's own bytes stay as they are, but for an empty show.
func (o *overlay) composeLayer(l *layer, p *clientPresence) []byte {
	show, status := l.floor.Compose(p.show, p.status)
	extras, replaced := l.extras, false
	if o.photo.known && p.photo != photoNotReady {
		extras += o.photo.update()
		replaced = p.photo == photoOther
	}
	if show == p.show && status == p.status && !replaced && !p.blank {
		return appendInside(make([]byte, 0, len(p.raw)+len(extras)+len("</presence>")), p.raw, []byte(extras))
	}
	n, err := scan.Parse(p.raw)
	if err != nil {
		return p.raw // it was parsed when it came
	}
	e := newElement("presence").attr("from", n.Attr("from"))
	if lang, ok := n.LookupAttr(scan.NSXML, "lang"); ok {
		e.attr("xml:lang", lang)
	}
	appendShow(e, show, status)
	for _, child := range n.Nodes {
		shown := child.NS == scan.NSClient && (child.Name == "show" || child.Name == "status")
		if !shown && (!replaced || child.NS != nsVCardUpdate) {
			e.b = child.AppendXML(e.open().b, scan.NSClient)
		}
	}
	return e.raw([]byte(extras)).close("presence").bytes()
}

func appendShow(e *element, show uc.Show, status string) {
	if show != uc.ShowAvailable {
		e.text("show", show.String()) // the names are XMPP's
	}
	if status != "" {
		e.text("status", status)
	}
}

// appendInside appends an element with one more child at its end.
func appendInside(dst, elem, child []byte) []byte {
	if len(child) == 0 {
		return append(dst, elem...)
	}
	// The last "</" is the end tag: it cannot stand in an attribute, and CDATA comes before it.
	if end := bytes.LastIndex(elem, []byte("</")); end >= 0 {
		dst = append(dst, elem[:end]...)
		return append(append(dst, child...), elem[end:]...)
	}
	dst = append(dst, elem[:len(elem)-len("/>")]...)
	dst = append(append(dst, '>'), child...)
	name := elem[1:bytes.IndexAny(elem, " \t\r\n/>")]
	return append(append(append(dst, "</"...), name...), '>')
}

// phonePresence returns the presence of the resource that stands for a user's telephones.
func (o *overlay) phonePresence(bare string) shown {
	full := o.phoneLayer(&o.full, bare)
	if !o.detailed() {
		return toAll(full)
	}
	return shown{full, o.phoneLayer(&o.plain, bare)}
}

func (o *overlay) phoneLayer(l *layer, bare string) []byte {
	show, status := o.phoneShow(l.floor)
	e := newElement("presence").attr("from", bare+"/"+phoneResource)
	appendShow(e, show, status)
	return e.text("priority", "-1").raw([]byte(l.extras)).close("presence").bytes()
}

// phoneShow tells the state of the telephones. The profile's show holds for the telephone too; its text
// gives way where the telephone has something of its own to say.
func (o *overlay) phoneShow(floor uc.Floor) (uc.Show, string) {
	switch o.phone {
	case uc.PhoneRinging:
		return max(uc.ShowAway, floor.Show), "Ringing"
	case uc.PhoneBusy:
		return uc.ShowDND, cmp.Or(floor.CallText, "On the phone")
	case uc.PhoneUnreachable:
		return max(uc.ShowXA, floor.Show), "Unreachable"
	}
	return floor.Compose(uc.ShowAvailable, "")
}

// hasPhone reports whether calls can ring at a device of the user.
func hasPhone(dir *uc.Directory, user uc.UserID) bool {
	return slices.ContainsFunc(dir.Endpoints(user), func(a *uc.Assignment) bool {
		d := dir.Devices.Get(a.Device)
		return d != nil && d.Kind.SIP()
	})
}
