package xmpp

import (
	"bytes"
	"time"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsForwarding = "urn:xmpp:forward:0"

// delayLayout is the format of XEP-0082 with the precision of the archive's filters.
const delayLayout = "2006-01-02T15:04:05.000000Z"

// appendArchived appends a stanza inside <forwarded/>, with when it was sent (XEP-0297 §3.1).
func appendArchived(dst, stanza []byte, at time.Time) []byte {
	dst = append(dst, "<forwarded xmlns='"+nsForwarding+"'><delay xmlns='"+nsDelay+"' stamp='"...)
	dst = append(at.UTC().AppendFormat(dst, delayLayout), "'/>"...)
	return append(appendQualified(dst, stanza), "</forwarded>"...)
}

// appendQualified appends a stanza with its namespace declared, so that it keeps it inside another element.
func appendQualified(dst, stanza []byte) []byte {
	name := bytes.IndexAny(stanza, xmlSpace+"/>")
	if name < 0 || declaresDefault(stanza[name:]) {
		return append(dst, stanza...)
	}
	dst = append(append(dst, stanza[:name]...), " xmlns='"+scan.NSClient+"'"...)
	return append(dst, stanza[name:]...)
}

const xmlSpace = " \t\r\n"

// declaresDefault reports whether a start tag, from behind its name on, declares the default namespace.
func declaresDefault(tag []byte) bool {
	for {
		name, rest, found := bytes.Cut(bytes.TrimLeft(tag, xmlSpace), []byte("="))
		if !found || len(name) == 0 || name[0] == '>' || name[0] == '/' {
			return false
		}
		if string(bytes.TrimRight(name, xmlSpace)) == "xmlns" {
			return true
		}
		if rest = bytes.TrimLeft(rest, xmlSpace); len(rest) == 0 {
			return false
		}
		if _, tag, found = bytes.Cut(rest[1:], rest[:1]); !found {
			return false
		}
	}
}
