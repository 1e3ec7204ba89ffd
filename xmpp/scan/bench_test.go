package scan_test

import (
	"strings"
	"testing"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// small is a message as clients send it, 171 bytes.
const small = `<message to='ben@example.org/phone' id='8f1c2a' type='chat'><body>Shall we meet at the bridge at ` +
	`noon?</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>`

// big is shaped like an OMEMO message, about 600 bytes.
var big = `<message to='ben@example.org' id='8f1c2a' type='chat'><encrypted xmlns='eu.siacs.conversations.axolotl'>` +
	`<header sid='1094781'><key rid='31415'>` + strings.Repeat("MwohBfLq", 16) + `</key><key prekey='true' rid='12321'>` +
	strings.Repeat("QJsohQ0h", 12) + `</key><iv>BASE64ENCODED</iv></header><payload>` + strings.Repeat("4p8vYSq7", 8) +
	`</payload></encrypted><store xmlns='urn:xmpp:hints'/></message>`

func BenchmarkNext(b *testing.B) {
	for _, c := range []struct{ name, stanza string }{{"small", small}, {"big", big}} {
		b.Run(c.name, func(b *testing.B) {
			s, buf := scan.New(scan.DefaultLimits), []byte(c.stanza)
			b.ReportAllocs()
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				if _, _, n, err := s.Next(buf); err != nil || n != len(buf) {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkAppendStamped(b *testing.B) {
	buf := []byte(small)
	h, stanza, _, err := scan.New(scan.DefaultLimits).Next(buf)
	if err != nil {
		b.Fatal(err)
	}
	from, dst := []byte("anna@example.org/desk"), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = scan.AppendStamped(dst[:0], stanza, &h, from, nil)
	}
}
