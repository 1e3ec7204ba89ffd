package sip

import (
	"encoding/xml"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// dialogInfoType is the media type of RFC 4235 §4.1.
const dialogInfoType = "application/dialog-info+xml"

// dialogInfo is a document of RFC 4235 §4.1. It is always the full state, so that a lost NOTIFY does no
// harm.
type dialogInfo struct {
	XMLName xml.Name     `xml:"urn:ietf:params:xml:ns:dialog-info dialog-info"`
	Version uint32       `xml:"version,attr"`
	State   string       `xml:"state,attr"`
	Entity  string       `xml:"entity,attr"`
	Dialogs []infoDialog `xml:"dialog"`
}

type infoDialog struct {
	ID        string     `xml:"id,attr"`
	Direction string     `xml:"direction,attr,omitempty"`
	State     string     `xml:"state"`
	Remote    *infoParty `xml:"remote,omitempty"`
}

type infoParty struct {
	Identity infoIdentity `xml:"identity"`
}

type infoIdentity struct {
	Display string `xml:"display,attr,omitempty"`
	URI     string `xml:",chardata"`
}

// dialogsOf lists the dialogs of a user in calls. With details it names the other side. A user whose
// presence is do-not-disturb without a call is shown as busy too: the lamp and the roster tell the same.
func dialogsOf(user uc.UserID, calls []uc.Call, dnd, details bool, domain string) []infoDialog {
	var list []infoDialog
	for _, c := range calls {
		for _, l := range c.Legs {
			if l.User != user || l.State == uc.LegEnded {
				continue
			}
			d := infoDialog{ID: c.ID, Direction: "recipient", State: lampState(l)}
			other := c.Caller
			if l.Caller {
				d.Direction, other = "initiator", c.Called
			}
			if details {
				d.Remote = &infoParty{infoIdentity{other.Name, "sip:" + userPart(other.Number) + "@" + domain}}
			}
			list = merge(list, d)
		}
	}
	if len(list) == 0 && dnd {
		list = append(list, infoDialog{ID: "presence", State: "confirmed"})
	}
	return list
}

// merge adds a dialog. The devices of a user that ring for the same call are one dialog to others, as
// far along as the furthest of them.
func merge(list []infoDialog, d infoDialog) []infoDialog {
	rank := map[string]int{"trying": 0, "early": 1, "confirmed": 2}
	for i := range list {
		if list[i].ID == d.ID && list[i].Direction == d.Direction {
			if rank[d.State] > rank[list[i].State] {
				list[i].State = d.State
			}
			return list
		}
	}
	return append(list, d)
}

// lampState is the state of RFC 4235 §3.7.1 of a leg.
func lampState(l uc.Leg) string {
	switch l.State {
	case uc.LegAnswered, uc.LegHeld:
		return "confirmed"
	case uc.LegRinging:
		return "early"
	}
	return "trying"
}

func (d *dialogInfo) write() []byte {
	var b strings.Builder
	b.WriteString(xml.Header)
	// Encoding plain texts into a strings.Builder cannot fail.
	_ = xml.NewEncoder(&b).Encode(d)
	return []byte(b.String())
}
