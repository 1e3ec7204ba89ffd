package muc

import (
	"crypto/sha1" //nolint:gosec // XEP-0153 §3.1 names it; it protects nothing
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// maxCard bounds the request that sets a room's vCard, picture included.
const maxCard = 96 << 10

// cardGet shows the room's vCard to everybody who may know of the room (XEP-0486 §3.4).
func (r *Room) cardGet(in *In) error {
	switch {
	case r.affiliation(in.Bare) == outcast:
		return errForbidden
	case r.locked:
		return errNotFound
	}
	card := elem(nsVCard, "vCard")
	if n, err := scan.Parse(r.card); err == nil {
		card = n
	}
	return r.reply(in, card)
}

// cardSet takes a vCard of the room from an owner; an empty one takes it back (XEP-0486 §3.2).
func (r *Room) cardSet(in *In, p *scan.Node) error {
	switch {
	case r.affiliation(in.Bare) < owner:
		return errForbidden
	case p.Name != "vCard":
		return errBadRequest
	case len(in.Raw) > maxCard:
		return errBadValue
	}
	hashes, err := photosOf(p)
	if err != nil {
		return err
	}
	if !r.take(in.Bare) {
		return errTooFast
	}
	r.card = nil
	if len(p.Nodes) > 0 {
		r.card = p.AppendXML(nil, scan.NSClient)
	}
	r.photos, r.changed, r.recarded = hashes, true, true
	if err := r.reply(in, nil); err != nil {
		return err
	}
	r.tellPhoto(r.everybody())
	r.announceCodes(statusConfigChanged)
	return nil
}

// photosOf returns the hashes of the pictures of a vCard (XEP-0153 §3.1, XEP-0486 §5.1).
func photosOf(card *scan.Node) (hashes []string, err error) {
	for _, n := range card.Nodes {
		if n.Name != "PHOTO" || n.NS != nsVCard {
			continue
		}
		picture, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.ChildText(nsVCard, "BINVAL")), ""))
		if err != nil {
			return nil, errBadValue
		}
		if len(picture) > 0 {
			sum := sha1.Sum(picture) //nolint:gosec // see the import
			hashes = append(hashes, hex.EncodeToString(sum[:]))
		}
	}
	return hashes, nil
}

// tellPhoto tells clients the hash of the room's picture in presence of the room itself, by which many of them know it
// (XEP-0486 §5.2); without a picture it says that there is none.
func (r *Room) tellPhoto(to []string) {
	photo := elem(nsVCardUpdate, "photo")
	if len(r.photos) > 0 {
		photo.Text = r.photos[0]
	}
	r.send(to, build("presence", r.address, "", "", with(elem(nsVCardUpdate, "x"), photo)))
}
