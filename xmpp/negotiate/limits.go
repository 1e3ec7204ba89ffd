package negotiate

import (
	"cmp"
	"strconv"
	"time"
)

const nsLimits = "urn:xmpp:stream-limits:0"

// appendLimits tells a client how big an element may be, before it is logged in also how long it may take
// (XEP-0478 §3.1). After that the server waits as long as the connection holds.
func (n *negotiation) appendLimits(b []byte) []byte {
	if n.cfg.MaxStanza == 0 {
		return b
	}
	size := n.cfg.MaxStanza
	if n.mechanism == "" {
		size = limits.Stanza
	}
	b = strconv.AppendInt(append(b, "<limits xmlns='"+nsLimits+"'><max-bytes>"...), int64(size), 10)
	b = append(b, "</max-bytes>"...)
	if n.mechanism == "" {
		patience := cmp.Or(n.cfg.Timeout, 30*time.Second)
		b = strconv.AppendInt(append(b, "<idle-seconds>"...), int64(patience/time.Second), 10)
		b = append(b, "</idle-seconds>"...)
	}
	return append(b, "</limits>"...)
}
