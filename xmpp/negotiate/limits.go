package negotiate

import (
	"cmp"
	"context"
	"encoding/xml"
	"strconv"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
)

const nsLimits = "urn:xmpp:stream-limits:0"

// limitsFeature tells a client how big an element may be, before it is logged in also how long it may take
// (XEP-0478 §3.1). After that the server waits as long as the connection holds.
func (n *negotiation) limitsFeature() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name: xml.Name{Space: nsLimits, Local: "limits"},
		List: func(_ context.Context, w xmlstream.TokenWriter, start xml.StartElement) (bool, error) {
			number := func(name string, value int) xml.TokenReader {
				return xmlstream.Wrap(xmlstream.Token(xml.CharData(strconv.Itoa(value))), xml.StartElement{Name: xml.Name{Local: name}})
			}
			inside := number("max-bytes", n.cfg.MaxStanza)
			if n.mechanism == "" {
				patience := cmp.Or(n.cfg.Timeout, 30*time.Second)
				inside = xmlstream.MultiReader(number("max-bytes", limits.Stanza), number("idle-seconds", int(patience/time.Second)))
			}
			_, err := xmlstream.Copy(w, xmlstream.Wrap(inside, start))
			return false, err
		},
	}
}

// appendLimits does it for a client that has logged in.
func (n *negotiation) appendLimits(b []byte) []byte {
	if n.cfg.MaxStanza == 0 {
		return b
	}
	b = append(b, "<limits xmlns='"+nsLimits+"'><max-bytes>"...)
	b = strconv.AppendInt(b, int64(n.cfg.MaxStanza), 10)
	return append(b, "</max-bytes></limits>"...)
}
