package xmpp

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // XEP-0084 §4.1 names it; it protects nothing
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/xmpp/pubsub"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// The avatar is kept in two nodes (XEP-0084). The photo of the vCard and the hash in presence (XEP-0153)
// are made from them, and a photo that comes in a vCard is published there (XEP-0398).
const (
	nsAvatarData     = "urn:xmpp:avatar:data"
	nsAvatarMetadata = "urn:xmpp:avatar:metadata"
	nsVCardUpdate    = "vcard-temp:x:update"
)

// photo is what presence tells of a user's avatar.
type photo struct {
	known bool   // the user has published one, or taken it back
	hash  string // SHA-1 in hexadecimal; empty if there is none now
}

// update is the element that tells it (XEP-0153 §3.2).
func (p photo) update() string {
	if p.hash == "" {
		return "<x xmlns='" + nsVCardUpdate + "'><photo/></x>"
	}
	return "<x xmlns='" + nsVCardUpdate + "'><photo>" + p.hash + "</photo></x>"
}

// photoSaid is what a client itself says of the avatar.
type photoSaid uint8

const (
	photoUnsaid   photoSaid = iota
	photoNotReady           // an empty photo, which stays as it is (XEP-0398 §4)
	photoOther              // anything else gives way to what the server knows
)

func readPhotoSaid(x *scan.Node) photoSaid {
	if p := x.Child(nsVCardUpdate, "photo"); p != nil && strings.TrimSpace(p.Text) == "" {
		return photoNotReady
	}
	return photoOther
}

// addPhoto puts what the server knows of the avatar into directed presence, that to rooms included (XEP-0398 §4).
func (s *Server) addPhoto(a *account, raw []byte) []byte {
	s.loadPhoto(a)
	known := a.pep.photo.Load()
	if !known.known {
		return raw
	}
	n, err := scan.Parse(raw)
	if err != nil {
		return raw // it was parsed when it came
	}
	isUpdate := func(c *scan.Node) bool { return c.NS == nsVCardUpdate && c.Name == "x" }
	if at := slices.IndexFunc(n.Nodes, isUpdate); at >= 0 {
		if readPhotoSaid(n.Nodes[at]) == photoNotReady {
			return raw
		}
		n.Nodes = slices.DeleteFunc(n.Nodes, isUpdate)
		raw = n.AppendXML(nil, scan.NSClient)
	}
	return appendInside(nil, raw, []byte(known.update()))
}

// loadPhoto makes sure that pep.photo is set.
func (s *Server) loadPhoto(a *account) {
	if a.pep.photo.Load() != nil {
		return
	}
	a.pep.mu.Lock()
	defer a.pep.mu.Unlock()
	if _, err := s.nodesOf(a); err != nil {
		s.log.Error("xmpp: cannot read nodes", "user", a.bare, "cause", err)
		a.pep.photo.Store(new(photo))
	}
}

// findPhoto sets pep.photo from the nodes; called with pep.mu held.
func (s *Server) findPhoto(a *account) {
	now := new(photo)
	if n := a.pep.nodes[nsAvatarMetadata]; n != nil {
		if it, ok := n.Last(); ok {
			*now = photo{known: true, hash: s.publishedHash(a, n, it)}
		} else {
			now.known = a.pep.nodes[nsAvatarData] != nil
		}
	}
	a.pep.photo.Store(now)
}

// publishedHash is the hash of the picture that the metadata names, if its data is published too.
func (s *Server) publishedHash(a *account, metadata *pubsub.Node, it pubsub.Item) string {
	raw, err := s.payloadOf(a, metadata, it)
	if err != nil {
		s.log.Error("xmpp: cannot read an avatar", "user", a.bare, "cause", err)
		return ""
	}
	data := a.pep.nodes[nsAvatarData]
	if data == nil {
		return ""
	}
	info := infoOf(raw)
	if _, ok := data.Find(info.Attr("id")); !ok {
		return ""
	}
	return info.Attr("id")
}

// infoOf returns the picture among those of the metadata that is published, not somewhere on the web
// (XEP-0398 §3.1).
func infoOf(metadata []byte) *scan.Node {
	if n, err := scan.Parse(metadata); err == nil {
		for _, info := range n.Nodes {
			if info.Name == "info" && info.NS == nsAvatarMetadata && info.Attr("url") == "" {
				return info
			}
		}
	}
	return &scan.Node{}
}

// refreshPhoto tells those who see the user that the avatar has changed.
func (s *Server) refreshPhoto(b *batch, a *account) {
	a.presenceMu.Lock()
	defer a.presenceMu.Unlock()
	o := s.overlayOf(a)
	if now := *a.pep.photo.Load(); now != o.photo {
		o.photo = now
		s.recompose(b, a)
	}
}

// checkAvatar refuses a picture whose item is not named by its hash (XEP-0084 §4.1): others would be told
// a hash that is not the picture's.
func checkAvatar(it newItem) error {
	n, err := scan.Parse(it.payload)
	if err != nil || n.Name != "data" || n.NS != nsAvatarData {
		return pubsub.ErrBadPayload
	}
	if image, err := decodeImage(n.Text); err != nil || hashOf(image) != it.id {
		return pubsub.ErrBadPayload
	}
	return nil
}

func decodeImage(text string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}

func hashOf(image []byte) string {
	sum := sha1.Sum(image) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// withPhoto puts the avatar into a vCard, in place of any other photo, if the viewer may see it (XEP-0398 §3.1).
func (s *Server) withPhoto(owner, viewer *account, card []byte) ([]byte, error) {
	s.loadPhoto(owner)
	if !owner.pep.photo.Load().known {
		return card, nil
	}
	n, err := scan.Parse(card)
	if err != nil {
		return nil, err
	}
	n.Nodes = slices.DeleteFunc(n.Nodes, isPhoto)
	typ, image, err := s.picture(owner, viewer)
	if err != nil {
		return nil, err
	}
	if image != "" {
		text := func(name, text string) *scan.Node { return &scan.Node{Name: name, NS: nsVCard, Text: text} }
		n.Nodes = append(n.Nodes, &scan.Node{Name: "PHOTO", NS: nsVCard, Nodes: []*scan.Node{text("TYPE", typ), text("BINVAL", image)}})
	}
	return n.AppendXML(nil, scan.NSClient), nil
}

func isPhoto(n *scan.Node) bool { return n.Name == "PHOTO" && n.NS == nsVCard }

// picture returns the type and the encoded data of a user's avatar; nothing if the viewer may not see it.
func (s *Server) picture(owner, viewer *account) (typ, image string, err error) {
	who := s.entity(owner, viewer)
	owner.pep.mu.Lock()
	defer owner.pep.mu.Unlock()
	nodes, err := s.nodesOf(owner)
	if err != nil {
		return "", "", err
	}
	metadata, data := nodes[nsAvatarMetadata], nodes[nsAvatarData]
	if metadata == nil || data == nil || metadata.MayRead(who) != nil || data.MayRead(who) != nil {
		return "", "", nil
	}
	last, ok := metadata.Last()
	if !ok {
		return "", "", nil
	}
	raw, err := s.payloadOf(owner, metadata, last)
	if err != nil {
		return "", "", err
	}
	info := infoOf(raw)
	it, ok := data.Find(info.Attr("id"))
	if !ok {
		return "", "", nil
	}
	if raw, err = s.payloadOf(owner, data, it); err != nil {
		return "", "", err
	}
	n, err := scan.Parse(raw)
	if err != nil {
		return "", "", err
	}
	return info.Attr("type"), strings.Join(strings.Fields(n.Text), ""), nil
}

// publishPhoto takes the photo out of a vCard that the user sets and publishes it as the avatar; without
// one the avatar is taken back (XEP-0398 §3.2).
func (r *request) publishPhoto(card *scan.Node) error {
	s, a := r.server, r.from.account
	s.loadPhoto(a)
	var said *scan.Node
	if i := slices.IndexFunc(card.Nodes, isPhoto); i >= 0 {
		said = card.Nodes[i]
	}
	now := a.pep.photo.Load()
	image, err := decodeImage(said.ChildText(nsVCard, "BINVAL"))
	switch {
	case err != nil:
		return errBadRequest
	case len(image) == 0 && said.ChildText(nsVCard, "EXTVAL") != "":
		return nil // a picture on the web stays in the vCard
	case len(image) == 0 && now.hash == "":
		return nil
	}
	card.Nodes = slices.DeleteFunc(card.Nodes, isPhoto)
	if len(image) > 0 && hashOf(image) == now.hash {
		return nil
	}
	return r.publishImage(image, cmp.Or(strings.TrimSpace(said.ChildText(nsVCard, "TYPE")), kindOf(image)))
}

// kindOf is the content type of a picture as its first bytes tell it.
func kindOf(image []byte) string {
	if kind := http.DetectContentType(image); strings.HasPrefix(kind, "image/") {
		return kind
	}
	return "image/png" // XEP-0153 §4.6: what everybody can show
}

// publishImage publishes an avatar for the user; an empty one takes it back (XEP-0084 §3.1, §3.3.5).
func (r *request) publishImage(image []byte, typ string) error {
	s := r.server
	open := s.cfg.Pubsub.Default("")
	open.Access = pubsub.Open // a vCard is open to everybody
	publish := func(node, id string, e *element) error {
		return r.publishOwn(publication{node: node, by: r.from.jid, config: &open, items: []newItem{{id, e.bytes()}}})
	}
	metadata := newElement("metadata").attr("xmlns", nsAvatarMetadata)
	if len(image) == 0 {
		return publish(nsAvatarMetadata, "current", metadata.close("metadata"))
	}
	if base64.StdEncoding.EncodedLen(len(image)) > s.cfg.Pubsub.Payload-256 {
		return pubsub.ErrTooBig
	}
	id := hashOf(image)
	data := newElement("data").attr("xmlns", nsAvatarData).chars(base64.StdEncoding.EncodeToString(image)).close("data")
	if err := publish(nsAvatarData, id, data); err != nil {
		return err
	}
	metadata.start("info").attr("id", id).attr("bytes", strconv.Itoa(len(image))).attr("type", typ).close("info")
	return publish(nsAvatarMetadata, id, metadata.close("metadata"))
}

// publishOwn publishes for the user and does what follows from it.
func (r *request) publishOwn(p publication) error {
	a := r.from.account
	if err := r.server.publish(r.batch, a, pubsub.Entity{Bare: a.bare, Owner: true}, p); err != nil {
		return err
	}
	r.server.nodeChanged(r.batch, a, p.node)
	return nil
}

// nodeChanged does what the change of a node has as a consequence elsewhere.
func (s *Server) nodeChanged(b *batch, owner *account, node string) {
	if node != nsAvatarMetadata && node != nsAvatarData {
		return
	}
	owner.pep.mu.Lock()
	s.findPhoto(owner)
	between := node == nsAvatarData && owner.betweenPhotos()
	owner.pep.mu.Unlock()
	if !between {
		s.refreshPhoto(b, owner)
	}
}

// betweenPhotos reports whether a new picture has taken the place of the one that the metadata still names, as it is until
// the client publishes the metadata, too (XEP-0084 §3.1, §3.2): nobody is told that there is none. Called with pep.mu held.
func (a *account) betweenPhotos() bool {
	data := a.pep.nodes[nsAvatarData]
	if data == nil || a.pep.photo.Load().hash != "" {
		return false
	}
	_, ok := data.Last()
	return ok
}
