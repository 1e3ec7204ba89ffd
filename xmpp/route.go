package xmpp

import (
	"bytes"
	"strings"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/component"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// Carrier carries stanzas to other domains.
type Carrier interface {
	// Send takes a stanza to another domain. It has full from and to, and leaves its namespace to be inherited. Of the head what it
	// says counts, not where that stands, and only until Send returns. The sender is the address of whom it is on account of, of the
	// same domain as from: the bare one, or the domain of a component. Send never waits; what cannot be delivered is given to
	// [Server.Undeliverable].
	Send(sender, to string, head scan.Head, stanza []byte)
}

// Federate makes a carrier the one to all domains that are not served here. Without one no stanza leaves.
func (s *Server) Federate(c Carrier) { s.federation.Store(&c) }

// carrier returns who carries stanzas to a domain, nil if nobody does.
func (s *Server) carrier(domain string) Carrier {
	if s.components.Serves(domain) {
		return s.components
	}
	if f := s.federation.Load(); f != nil && !s.Local(domain) {
		return *f
	}
	return nil
}

// Local reports whether a domain is served here: by the server, its rooms or uploads, or a component.
func (s *Server) Local(domain string) bool {
	return domain == s.cfg.Domain || domain == s.cfg.RoomsDomain || s.isUploads(domain) || s.components.Serves(domain)
}

var errRemoteServerNotFound = stanza.Error{Type: stanza.Cancel, Condition: stanza.RemoteServerNotFound}

// stranger makes what stands for somebody at another domain: an account that is in no list of the router, and
// a session. What is pushed to the session is carried to the domain. The account has one available session, at
// its bare address, since that is where presence is sent (RFC 6121 §4.4.2).
func (s *Server) stranger(bare, resource, domain string) *session {
	x := &struct {
		account    account
		bare, full session
	}{}
	x.account.bare, x.account.domain = bare, domain
	x.account.blocked.Store(nil)
	at := func(c *session, address string) {
		c.server, c.account, c.log = s, &x.account, sessionLog{c}
		c.jid, c.jidBytes = address, []byte(address)
		c.queue.closed = true
	}
	at(&x.bare, bare)
	x.bare.available.Store(true)
	x.account.sessions.Store(&[]*session{&x.bare})
	if resource == "" {
		return &x.bare
	}
	at(&x.full, bare+"/"+resource)
	x.full.resource = resource
	return &x.full
}

// foreign reports whether the account is a stranger's.
func (a *account) foreign() bool { return a.domain != "" }

func (s *Server) strangerAt(j jid.JID) *session {
	return s.stranger(j.Bare().String(), j.Resourcepart(), j.Domainpart())
}

// resolveAbroad is resolve for an address of another domain.
func (s *Server) resolveAbroad(j jid.JID) (destination, error) {
	if s.carrier(j.Domainpart()) == nil {
		return destination{}, errRemoteServerNotFound
	}
	c := s.strangerAt(j)
	return destination{abroad: c, bare: c.account.bare, resource: c.resource != ""}, nil
}

// contactAccount returns the account of a contact in a roster, a user's or a stranger's; nil if nobody has the address.
func (s *Server) contactAccount(bare string) *account {
	domain := bare[strings.IndexByte(bare, '@')+1:]
	if domain == s.cfg.Domain {
		return s.accountByLogin(s.loginOf(bare))
	}
	if s.carrier(domain) == nil {
		return nil
	}
	return s.stranger(bare, "", domain).account
}

// carry sends the parts of a stanza to a stranger and reports whether anybody carries it.
func (b *batch) carry(to *session, parts [][]byte) bool {
	return b.server.carry(to.jid, to.account.domain, bytes.Join(parts, nil))
}

// carry sends a stanza to an address of another domain. It always says whom it is for, unlike what is sent to
// clients (RFC 6120 §8.1.1.2).
func (s *Server) carry(to, domain string, raw []byte) bool {
	carrier := s.carrier(domain)
	if carrier == nil {
		return false
	}
	head, _, _, err := scan.New(unlimited).Next(raw)
	if err == nil {
		head, raw, err = scan.Neutral(head, raw)
	}
	if err != nil || head.From == nil {
		s.log.Error("xmpp: a stanza cannot be sent to another domain", "to", to, "cause", err)
		return false
	}
	address := []byte(to)
	stamped := scan.AppendStamped(nil, raw, &head, head.From, address)
	head.To = address
	carrier.Send(s.senderOf(head.From), domain, head, stamped)
	return true
}

// domainOf returns the normal form of the domain of an address, or "".
func domainOf(address []byte) string {
	j, err := jid.Parse(string(address))
	if err != nil {
		return ""
	}
	return j.Domainpart()
}

// senderOf returns on whose account a stanza with that from is sent: a component is one sender, whatever addresses it uses.
func (s *Server) senderOf(from []byte) string {
	j, err := jid.Parse(string(from))
	switch {
	case err != nil:
		return ""
	case s.components.Serves(j.Domainpart()):
		return j.Domainpart()
	}
	return j.Bare().String()
}

// newComponents makes the service of external components.
func (s *Server) newComponents() *component.Service {
	return component.New(component.Config{
		Secrets: s.cfg.Components, Domain: s.cfg.Domain, TLS: s.cfg.TLS, Roots: s.cfg.ComponentRoots, MaxStanza: s.cfg.MaxStanza, QueueMax: s.cfg.QueueHard,
		StanzaTimeout: s.cfg.StanzaTimeout, WriteTimeout: s.cfg.WriteTimeout,
		Deliver: s.Deliver, Undeliverable: s.Undeliverable, Log: s.log,
	})
}
