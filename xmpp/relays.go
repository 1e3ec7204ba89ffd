package xmpp

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // it is what TURN servers check
	"encoding/base64"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsExternal = "urn:xmpp:extdisco:2"

// Relay is a STUN or TURN server that clients may use in calls.
type Relay struct {
	Type      string // stun, stuns, turn or turns
	Host      string
	Port      string
	Transport string // udp or tcp
}

// ParseRelay reads the address of a relay, as turn:turn.example.org:3478?transport=tcp (RFC 7064, RFC 7065).
func ParseRelay(address string) (Relay, error) {
	wrong := uc.Errorf(uc.ErrInvalid, "%q is not the address of a STUN or TURN server, as turn:turn.example.org:3478?transport=udp", address)
	u, err := url.Parse(address)
	if err != nil || u.Opaque == "" {
		return Relay{}, wrong
	}
	r := Relay{Type: u.Scheme}
	switch r.Type {
	case "stun", "turn":
		r.Port, r.Transport = "3478", "udp"
	case "stuns", "turns":
		r.Port, r.Transport = "5349", "tcp"
	default:
		return Relay{}, wrong
	}
	r.Host = strings.Trim(u.Opaque, "[]")
	if host, port, err := net.SplitHostPort(u.Opaque); err == nil {
		r.Host, r.Port = host, port
	}
	r.Transport = cmp.Or(u.Query().Get("transport"), r.Transport)
	port, err := strconv.ParseUint(r.Port, 10, 16)
	if err != nil || port == 0 || r.Host == "" || strings.ContainsAny(r.Host, "/@ ") || r.Transport != "udp" && r.Transport != "tcp" {
		return Relay{}, wrong
	}
	return r, nil
}

// restricted reports whether the relay wants credentials.
func (r Relay) restricted() bool { return r.Type == "turn" || r.Type == "turns" }

// relayServices answers with the relays, credentials included (XEP-0215 §3.1, §3.2).
func (r *request) relayServices() error {
	s := r.server
	if len(s.cfg.Relays) == 0 {
		return errServiceUnavailable
	}
	q, err := r.payload()
	if err != nil {
		return err
	}
	switch q.Name {
	case "services":
		typ := q.Attr("type")
		e := newElement("services").attr("xmlns", nsExternal).attrIf("type", typ).open()
		for _, relay := range s.cfg.Relays {
			if typ == "" || typ == relay.Type {
				r.appendRelay(e, relay)
			}
		}
		return r.reply(e.close("services").bytes())
	case "credentials":
		return r.relayCredentials(q.Child(nsExternal, "service"))
	}
	return errBadRequest
}

// relayCredentials answers with the credentials for one relay, by each way in which it can be reached
// (XEP-0215 §3.3).
func (r *request) relayCredentials(asked *scan.Node) error {
	if asked == nil || asked.Attr("host") == "" || asked.Attr("type") == "" {
		return errBadRequest
	}
	matching := slices.DeleteFunc(slices.Clone(r.server.cfg.Relays), func(relay Relay) bool {
		port := asked.Attr("port")
		return !relay.restricted() || relay.Type != asked.Attr("type") || !strings.EqualFold(relay.Host, asked.Attr("host")) || port != "" && port != relay.Port
	})
	if len(matching) == 0 {
		return errItemNotFound
	}
	e := newElement("credentials").attr("xmlns", nsExternal).open()
	for _, relay := range matching {
		r.appendRelay(e, relay)
	}
	return r.reply(e.close("credentials").bytes())
}

// appendRelay describes a relay, with credentials of the user that end by themselves: TURN servers know by
// the shared secret that they are good (draft-uberti-behave-turn-rest-00 §2.2).
func (r *request) appendRelay(e *element, relay Relay) {
	e.start("service").attr("type", relay.Type).attr("host", relay.Host).attr("port", relay.Port).attr("transport", relay.Transport)
	if relay.restricted() {
		cfg := &r.server.cfg
		ends := time.Now().Add(cfg.RelayLife).UTC().Truncate(time.Second)
		user := strconv.FormatInt(ends.Unix(), 10) + ":" + r.from.account.login
		mac := hmac.New(sha1.New, []byte(cfg.RelaySecret))
		mac.Write([]byte(user))
		e.attr("restricted", "1").attr("username", user).attr("password", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		e.attr("expires", ends.Format(time.RFC3339))
	}
	e.close("service")
}

// validRelays checks that relays which want credentials can have them.
func (c *Config) validRelays() error {
	for _, r := range c.Relays {
		if r.restricted() && c.RelaySecret == "" {
			return uc.FieldError(uc.ErrInvalid, "relays", "the secret of %s is missing", r.Host)
		}
	}
	return nil
}
