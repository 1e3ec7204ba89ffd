package framing

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // XEP-0124 §15.1 names it; who knows the keys is told by TLS
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsBOSH  = "http://jabber.org/protocol/httpbind"
	nsXBOSH = "urn:xmpp:xbosh"
)

// maxRID is the highest request ID (XEP-0124 §14.1): more than that is no integer in a browser.
const maxRID = 1<<53 - 1

// boshBody is what a request says.
type boshBody struct {
	sid, typ, ver, ack string
	to, from, lang     string
	version            string // of XMPP
	key, newKey        string
	rid                uint64
	wait, hold, pause  int
	hasRID             bool
	hasWait, hasHold   bool
	restart            bool
	content            []byte // elements, as they would stand in a stream
}

var errBody = errors.New("bosh: no body")

// parseBody reads a request. What is in it must stand by itself, as in a stream: prefixes that the body
// declares are not theirs.
func parseBody(raw []byte) (*boshBody, error) {
	raw = bytes.TrimSpace(raw)
	if bytes.HasPrefix(raw, []byte("<?xml ")) {
		raw = bytes.TrimSpace(raw[tagEnd(raw):])
	}
	limits := scan.Limits{Stanza: len(raw), Depth: scan.DefaultLimits.Depth + 1, Attrs: scan.DefaultLimits.Attrs}
	head, _, n, err := scan.New(limits).Next(raw)
	switch {
	case err != nil:
		return nil, err
	case n != len(raw), string(head.Name) != "body", string(head.NS) != nsBOSH:
		return nil, errBody
	}
	b := &boshBody{to: string(head.To), from: string(head.From), lang: string(head.Lang), typ: string(head.Type)}
	if err := b.readAttributes(raw[:tagEnd(raw)]); err != nil {
		return nil, err
	}
	if head.Content < head.End {
		b.content, err = elements(head.Inner(raw))
	}
	return b, err
}

func (b *boshBody) readAttributes(tag []byte) (err error) {
	number := func(value string, limit uint64) uint64 {
		n, fault := strconv.ParseUint(value, 10, 64)
		if fault != nil || n > limit {
			err = errBody
		}
		return n
	}
	prefix := ""
	for name, whole := range attributes(tag) {
		if p, ok := strings.CutPrefix(name, "xmlns:"); ok && valueOf(whole) == nsXBOSH {
			prefix = p + ":"
		}
	}
	for name, whole := range attributes(tag) {
		value := valueOf(whole)
		switch name {
		case "sid":
			b.sid = value
		case "ver":
			b.ver = value
		case "ack":
			b.ack = value
		case "key":
			b.key = value
		case "newkey":
			b.newKey = value
		case "rid":
			b.rid, b.hasRID = number(value, maxRID), true
		case "wait":
			b.wait, b.hasWait = int(number(value, 1<<31)), true
		case "hold":
			b.hold, b.hasHold = int(number(value, 1<<31)), true
		case "pause":
			b.pause = int(number(value, 1<<31))
		case prefix + "restart":
			b.restart = value == "true" || value == "1"
		case prefix + "version":
			b.version = value
		}
	}
	if b.hasRID && b.rid == 0 {
		return errBody
	}
	return err
}

// valueOf returns the value of an attribute. What BOSH has to say needs no references.
func valueOf(whole []byte) string {
	at := bytes.IndexAny(whole, `'"`)
	return string(whole[at+1 : len(whole)-1])
}

// attribute returns an attribute of what the server says, with its references resolved.
func attribute(tag []byte, name string) string {
	for have, whole := range attributes(tag) {
		if have == name {
			return unescaper.Replace(valueOf(whole))
		}
	}
	return ""
}

var unescaper = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&amp;", "&")

// sidOf finds the session of a request that was cut off.
func sidOf(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	end := tagEnd(raw)
	if end == 0 || !bytes.HasPrefix(raw, []byte("<body")) || bytes.Count(raw[:end], []byte("=")) > scan.DefaultLimits.Attrs {
		return ""
	}
	b := new(boshBody)
	if !wellFormedTag(raw[:end]) || b.readAttributes(raw[:end]) != nil {
		return ""
	}
	return b.sid
}

// wellFormedTag reports whether a start tag that was not checked can be read.
func wellFormedTag(tag []byte) bool {
	whole := append(bytes.TrimSuffix(bytes.TrimSuffix(bytes.Clone(tag), []byte(">")), []byte("/")), "/>"...)
	_, _, n, err := scan.New(scan.DefaultLimits).Next(whole)
	return err == nil && n == len(whole)
}

// elements takes what is in a body apart, so that nothing but elements is passed on. One without a
// namespace of its own is taken for a stanza, as by other servers.
func elements(content []byte) ([]byte, error) {
	var out []byte
	for len(content) > 0 {
		n := next(content)
		if n == 0 {
			if len(bytes.TrimSpace(content)) == 0 {
				return out, nil
			}
			return nil, errBody
		}
		switch {
		case content[0] == '<' && content[1] != '!':
			out = append(out, content[:n]...)
		case content[0] == '<' || len(bytes.TrimSpace(content[:n])) > 0:
			return nil, errBody // text between stanzas
		}
		content = content[n:]
	}
	return out, nil
}

// appendBOSHHeader appends the stream header that a request stands for (XEP-0206 §3, §5).
func appendBOSHHeader(dst []byte, b *boshBody) []byte {
	head := scan.Head{To: []byte(b.to), Version: []byte("1.0")}
	if b.version != "" {
		head.Version = []byte(b.version)
	}
	if b.from != "" {
		head.From = []byte(b.from)
	}
	if b.lang != "" {
		head.Lang = []byte(b.lang)
	}
	return appendHeader(dst, &head)
}

// hashed is the key that comes before a key (XEP-0124 §15.2).
func hashed(key string) string {
	sum := sha1.Sum([]byte(key)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}
