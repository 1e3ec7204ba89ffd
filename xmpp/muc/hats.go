package muc

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// The limits of hats.
const (
	maxHats     = 100       // of one room
	maxWorn     = 20        // by one person in one room
	maxAllWorn  = 256 << 10 // bytes of who wears what in one room: they are written with every change of the hats
	maxHatURI   = 512
	maxHatTitle = 128
)

// The fields of the forms about hats (XEP-0317 §3.8).
const (
	formHats  = "urn:xmpp:hats:commands"
	hatURI    = "hats#uri"
	hatTitle  = "hats#title"
	hatHue    = "hats#hue"
	hatWearer = "hats#jid"
	hatsHash  = "hats#hash"
)

// hatCommand is an ad-hoc command of a room (XEP-0050). A form has all that the command needs, so the room
// remembers nothing between its form and the answer to it, and a client may send the answer at once.
type hatCommand struct {
	name, title string
	may         func(*Room, *In) bool
	form        func(*Room) []*scan.Node                // its fields; nil: there is none to fill in
	run         func(*Room, values) (*scan.Node, error) // returns what there is to show
}

var hatCommands = []hatCommand{
	{"create", "Make or change a hat", (*Room).mayGiveHats, func(*Room) []*scan.Node {
		return []*scan.Node{
			required(field("text-single", hatTitle, "Title")),
			required(field("text-single", hatURI, "URI")),
			field("text-single", hatHue, "Angle of the color, in degrees"),
		}
	}, (*Room).createHat},
	{"destroy", "Remove a hat from the room", (*Room).mayGiveHats, func(r *Room) []*scan.Node {
		return []*scan.Node{r.hatChoice()}
	}, (*Room).destroyHat},
	{"assign", "Give somebody a hat", (*Room).mayGiveHats, (*Room).wearerForm, (*Room).assignHat},
	{"unassign", "Take somebody's hat", (*Room).mayGiveHats, (*Room).wearerForm, (*Room).unassignHat},
	{"list", "Hats of the room", (*Room).mayListHats, nil, (*Room).listHats},
	{"list-assigned", "Who wears which hat", (*Room).mayListWearers, nil, (*Room).listWearers},
}

func (c *hatCommand) node() string { return formHats + ":" + c.name }

// mayGiveHats lets admins decide about hats.
func (r *Room) mayGiveHats(in *In) bool { return r.affiliation(in.Bare) >= admin }

// mayListHats lets everybody know the hats who may be in the room.
func (r *Room) mayListHats(in *In) bool {
	a := r.affiliation(in.Bare)
	return r.seats[in.From] != nil || a >= member || a != outcast && !r.settings.MembersOnly && r.settings.Password == ""
}

// mayListWearers lets those know who wears what who may know addresses.
func (r *Room) mayListWearers(in *In) bool {
	s := r.seats[in.From]
	return r.mayList(in.Bare, member) || s != nil && r.seesAddresses(s.occupant)
}

// isHidden reports whether the room is not there yet for who asks: only its owner knows one that is not configured.
func (r *Room) isHidden(in *In) bool { return r.locked && r.affiliation(in.Bare) < owner }

// commandsFor lists the commands that somebody may run.
func (r *Room) commandsFor(in *In) (list []*hatCommand) {
	for i := range hatCommands {
		if c := &hatCommands[i]; !r.isHidden(in) && c.may(r, in) {
			list = append(list, c)
		}
	}
	return list
}

// command runs a step of a command.
func (r *Room) command(in *In, p *scan.Node) error {
	at := slices.IndexFunc(hatCommands, func(c hatCommand) bool { return c.node() == p.Attr("node") })
	if p.Name != "command" || at < 0 || r.isHidden(in) {
		return errNotFound
	}
	c := &hatCommands[at]
	if !c.may(r, in) {
		return errForbidden
	}
	form := p.Child(nsForms, "x")
	switch action := p.Attr("action"); {
	case action == "cancel", form != nil && form.Attr("type") == "cancel":
		return r.reply(in, r.commandStep(p, c, "canceled"))
	case action != "" && action != "execute" && action != "complete" && action != "next":
		return errBadRequest
	case form == nil && c.form != nil:
		x := with(elem(nsForms, "x", "type", "form"), text(nsForms, "title", c.title), field("hidden", "FORM_TYPE", "", formHats))
		actions := with(elem(nsCommands, "actions", "execute", "complete"), elem(nsCommands, "complete"))
		return r.reply(in, with(r.commandStep(p, c, "executing"), actions, with(x, c.form(r)...)))
	}
	v := values{}
	if form != nil {
		v = readForm(form)
	}
	if t := v["FORM_TYPE"]; len(t) > 0 && t[0] != formHats {
		return errBadRequest
	}
	if !r.take(in.Bare) {
		return errTooFast
	}
	shown, err := c.run(r, v)
	if err != nil {
		return err
	}
	return r.reply(in, with(r.commandStep(p, c, "completed"), shown))
}

func (r *Room) commandStep(p *scan.Node, c *hatCommand, status string) *scan.Node {
	id := p.Attr("sessionid")
	if id == "" {
		id = r.newID()
	}
	return elem(nsCommands, "command", "node", c.node(), "sessionid", id, "status", status)
}

func required(f *scan.Node) *scan.Node { return with(f, elem(nsForms, "required")) }

// hatChoice is the field in which one of the room's hats is chosen.
func (r *Room) hatChoice() *scan.Node {
	f := required(field("list-single", hatURI, "Hat"))
	for _, h := range r.hats.List {
		with(f, with(elem(nsForms, "option", "label", h.Title), text(nsForms, "value", h.URI)))
	}
	return f
}

func (r *Room) wearerForm() []*scan.Node {
	return []*scan.Node{required(field("jid-single", hatWearer, "Address of the person")), r.hatChoice()}
}

func (r *Room) hatAt(uri string) int {
	return slices.IndexFunc(r.hats.List, func(h uc.RoomHat) bool { return h.URI == uri })
}

// createHat makes a hat, or changes the one with the same URI (XEP-0317 §3.2).
func (r *Room) createHat(v values) (*scan.Node, error) {
	hat := uc.RoomHat{URI: v.one(hatURI), Title: strings.TrimSpace(v.one(hatTitle)), Hue: v.one(hatHue)}
	if !isHat(&hat) {
		return nil, errBadValue
	}
	at := r.hatAt(hat.URI)
	switch {
	case at >= 0:
		r.hats.List[at] = hat
	case len(r.hats.List) >= maxHats:
		return nil, errTooMuch
	default:
		r.hats.List = append(r.hats.List, hat)
	}
	r.changed, r.rehatted = true, true
	r.showHats(func(bare string) bool { return slices.Contains(r.hats.Worn[bare], hat.URI) })
	r.announceCodes(statusConfigChanged)
	return nil, nil
}

// isHat reports whether a hat has what it must have.
func isHat(h *uc.RoomHat) bool {
	uri, err := url.Parse(h.URI)
	if err != nil || !uri.IsAbs() || len(h.URI) > maxHatURI || h.Title == "" || len(h.Title) > maxHatTitle {
		return false
	}
	if h.Hue == "" {
		return true
	}
	hue, err := strconv.ParseFloat(h.Hue, 64)
	return err == nil && hue >= 0 && hue <= 360 && len(h.Hue) <= 16
}

// destroyHat removes a hat from the room and from all who wear it (XEP-0317 §3.3).
func (r *Room) destroyHat(v values) (*scan.Node, error) {
	uri := v.one(hatURI)
	at := r.hatAt(uri)
	if at < 0 {
		return nil, errNotFound
	}
	r.hats.List = slices.Delete(r.hats.List, at, at+1)
	wore := map[string]bool{}
	for bare, worn := range r.hats.Worn {
		if slices.Contains(worn, uri) {
			wore[bare] = true
			r.takeHat(bare, uri)
		}
	}
	r.changed, r.rehatted = true, true
	r.showHats(func(bare string) bool { return wore[bare] })
	r.announceCodes(statusConfigChanged)
	return nil, nil
}

// wearerOf reads who is to get or to lose which hat. An occupant may be named by the address in the room.
func (r *Room) wearerOf(v values) (bare, uri string, err error) {
	if uri = v.one(hatURI); r.hatAt(uri) < 0 {
		return "", "", errNotFound
	}
	address := v.one(hatWearer)
	if nick, ok := strings.CutPrefix(address, r.address+"/"); ok {
		o := r.nicks[nick]
		if o == nil {
			return "", "", errNotFound
		}
		return o.bare, uri, nil
	}
	bare, err = bareAddress(address)
	return bare, uri, err
}

// assignHat gives somebody a hat, who need not be in the room (XEP-0317 §3.5).
func (r *Room) assignHat(v values) (*scan.Node, error) {
	bare, uri, err := r.wearerOf(v)
	if err != nil {
		return nil, err
	}
	worn, known := r.hats.Worn[bare]
	switch {
	case slices.Contains(worn, uri):
		return nil, nil
	case len(worn) >= maxWorn, !known && len(r.hats.Worn) >= r.limits.Affiliations, r.allWorn()+len(bare)+len(uri) > maxAllWorn:
		return nil, errTooMuch
	}
	if r.hats.Worn == nil {
		r.hats.Worn = map[string][]string{}
	}
	r.hats.Worn[bare] = append(slices.Clone(worn), uri)
	r.changed, r.rehatted = true, true
	r.showHats(func(other string) bool { return other == bare })
	return nil, nil
}

// allWorn is how many bytes say who wears what.
func (r *Room) allWorn() (n int) {
	for bare, worn := range r.hats.Worn {
		n += len(bare)
		for _, uri := range worn {
			n += len(uri)
		}
	}
	return n
}

// unassignHat takes a hat from somebody (XEP-0317 §3.6).
func (r *Room) unassignHat(v values) (*scan.Node, error) {
	bare, uri, err := r.wearerOf(v)
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains(r.hats.Worn[bare], uri):
		return nil, errNotFound
	}
	r.takeHat(bare, uri)
	r.changed, r.rehatted = true, true
	r.showHats(func(other string) bool { return other == bare })
	return nil, nil
}

// takeHat forgets that somebody wears a hat. Lists that were handed to the store stay as they are.
func (r *Room) takeHat(bare, uri string) {
	left := slices.DeleteFunc(slices.Clone(r.hats.Worn[bare]), func(u string) bool { return u == uri })
	if r.hats.Worn[bare] = left; len(left) == 0 {
		delete(r.hats.Worn, bare)
	}
}

// showHats tells everybody of the hats of those occupants.
func (r *Room) showHats(of func(bare string) bool) {
	for _, o := range r.order {
		if of(o.bare) {
			o.changed()
			r.announce(announcement{of: o}, o.clients())
		}
	}
}

// hatsOf is what somebody's presence says of the hats, in the order in which the room lists them; nil if there are none.
func (r *Room) hatsOf(bare string) *scan.Node {
	worn := r.hats.Worn[bare]
	if len(worn) == 0 {
		return nil
	}
	hats := elem(nsHats, "hats")
	for _, h := range r.hats.List {
		if slices.Contains(worn, h.URI) {
			with(hats, elem(nsHats, "hat", "title", h.Title, "uri", h.URI, "hue", h.Hue))
		}
	}
	return hats
}

// listHats shows the hats of the room (XEP-0317 §3.4).
func (r *Room) listHats(values) (*scan.Node, error) {
	x := hatTable("Hats", hatTitle, hatURI, hatHue)
	for _, h := range r.hats.List {
		with(x, hatRow(hatTitle, h.Title, hatURI, h.URI, hatHue, h.Hue))
	}
	return x, nil
}

// listWearers shows who wears which hat (XEP-0317 §3.7).
func (r *Room) listWearers(values) (*scan.Node, error) {
	x := hatTable("Hats that are worn", hatWearer, hatURI, hatTitle, hatHue)
	for _, bare := range slices.Sorted(maps.Keys(r.hats.Worn)) {
		for _, h := range r.hats.List {
			if slices.Contains(r.hats.Worn[bare], h.URI) {
				with(x, hatRow(hatWearer, bare, hatURI, h.URI, hatTitle, h.Title, hatHue, h.Hue))
			}
		}
	}
	return x, nil
}

func hatTable(title string, columns ...string) *scan.Node {
	reported := elem(nsForms, "reported")
	for _, c := range columns {
		with(reported, elem(nsForms, "field", "var", c))
	}
	return with(elem(nsForms, "x", "type", "result"), text(nsForms, "title", title), field("hidden", "FORM_TYPE", "", formHats), reported)
}

// hatRow makes a row of names and values in turn; one without a value is left out.
func hatRow(pairs ...string) *scan.Node {
	item := elem(nsForms, "item")
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			with(item, with(elem(nsForms, "field", "var", pairs[i]), text(nsForms, "value", pairs[i+1])))
		}
	}
	return item
}

// hatsDigest changes when the list of hats does (XEP-0317 §2).
func (r *Room) hatsDigest() string {
	h := sha256.New()
	for _, hat := range r.hats.List {
		fmt.Fprintf(h, "%q %q %q\n", hat.URI, hat.Title, hat.Hue)
	}
	return hex.EncodeToString(h.Sum(nil)[:20])
}

// discoCommands lists the commands that somebody may run (XEP-0050 §2.2).
func (r *Room) discoCommands(in *In) error {
	query := elem(nsDiscoItems, "query", "node", nsCommands)
	for _, c := range r.commandsFor(in) {
		with(query, elem(nsDiscoItems, "item", "jid", r.address, "node", c.node(), "name", c.title))
	}
	return r.reply(in, query)
}

// discoCommand describes a command, or the list of them (XEP-0050 §2.2, §2.3).
func (r *Room) discoCommand(in *In, node string) error {
	query := elem(nsDiscoInfo, "query", "node", node)
	if node == nsCommands {
		return r.reply(in, with(query, elem(nsDiscoInfo, "identity", "category", "automation", "type", "command-list", "name", "Commands")))
	}
	for _, c := range r.commandsFor(in) {
		if c.node() == node {
			return r.reply(in, with(query,
				elem(nsDiscoInfo, "identity", "category", "automation", "type", "command-node", "name", c.title),
				elem(nsDiscoInfo, "feature", "var", nsCommands), elem(nsDiscoInfo, "feature", "var", nsForms)))
		}
	}
	return errNotFound
}
