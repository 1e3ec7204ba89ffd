package s2s

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// keyring makes dialback keys (XEP-0185 §3). Nothing has to be remembered to verify one.
type keyring struct{ secret []byte }

func newKeyring(secret []byte) keyring {
	sum := sha256.Sum256(secret)
	return keyring{hex.AppendEncode(nil, sum[:])}
}

// key is what the originating domain sends to the receiving one on the stream of that id.
func (k keyring) key(receiving, originating, id string) string {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(receiving + " " + originating + " " + id))
	return hex.EncodeToString(mac.Sum(nil))
}

// made reports whether the key was made here. It takes the same time whatever is wrong with it.
func (k keyring) made(receiving, originating, id, key string) bool {
	return hmac.Equal([]byte(key), []byte(k.key(receiving, originating, id)))
}

// addressesOf returns the domains of a dialback element, which both are required (XEP-0220 §2.1.1).
func addressesOf(n *scan.Node) (from, to string, err error) {
	if from, err = normalise(n.Attr("from")); err != nil {
		return "", "", err
	}
	to, err = normalise(n.Attr("to"))
	return from, to, err
}

// answerVerify is the authoritative server's part: another server asks whether a key that it got from somebody who says
// that he is us was made here (XEP-0220 §2.3). Whoever asks need not have proved anything.
func (s *link) answerVerify(raw []byte) error {
	n, err := scan.ParseServer(raw)
	if err != nil {
		return err
	}
	from, to, err := addressesOf(n)
	switch {
	case err != nil:
		return err
	case n.Attr("type") != "":
		return nil // an answer to a question that was not put here
	case !s.fed.cfg.Local(to):
		return s.say(dialbackElement("verify", to, from, n.Attr("id"), "error", dialbackError(stanza.ItemNotFound)))
	}
	typ := "invalid"
	if s.fed.keys.made(from, to, n.Attr("id"), n.Text) {
		typ = "valid"
	} else {
		s.note("s2s: somebody who is not us used our domain", "domain", to, "with", from)
	}
	return s.say(dialbackElement("verify", to, from, n.Attr("id"), typ, ""))
}

// claim is the receiving server's part: the other side wants to send for a domain and gives the key that the
// domain's own server will know (XEP-0220 §2.2). The question to that server is put on another connection, in
// another goroutine, since it may take long.
func (s *link) claim(raw []byte) error {
	n, err := scan.ParseServer(raw)
	if err != nil {
		return err
	}
	from, to, err := addressesOf(n)
	switch {
	case err != nil:
		return err
	case n.Attr("type") != "":
		return nil
	}
	p := pair{local: to, remote: from}
	cfg := &s.fed.cfg
	switch {
	case !cfg.Local(to):
		return s.refuse(p, stanza.ItemNotFound)
	case cfg.Local(from):
		return s.refuse(p, stanza.NotAllowed)
	case !cfg.Allowed(from):
		return s.refuse(p, stanza.PolicyViolation)
	case s.isVerified(p):
		return s.accept(p, "")
	case len(*s.verified.Load()) >= cfg.MaxPairs: // a certificate for *.example.org would be good for any number
		return s.refuse(p, stanza.ResourceConstraint)
	case s.fed.verify(&s.tlsState, from) == nil: // XEP-0344 §2.2: the certificate is proof enough
		return s.accept(p, "certificate")
	case cfg.RequireValidCertificates:
		return s.refuse(p, stanza.PolicyViolation)
	case int(s.verifying.Load()) >= s.maxVerifying():
		return s.refuse(p, stanza.ResourceConstraint)
	}
	id := s.id
	s.verifying.Add(1)
	if !s.fed.spawn(func() { s.settle(p, id, n.Text) }) {
		return stream.SystemShutdown
	}
	return nil
}

// maxVerifying is how many keys of the stream may be asked about at a time. Each is a connection to wherever the other
// side says.
func (s *link) maxVerifying() int {
	if s.authentic.Load() {
		return 8
	}
	return 2
}

// settle asks about the key and answers the claim.
func (s *link) settle(p pair, id, key string) {
	defer s.verifying.Add(-1)
	if err := s.guarded(func() error { return s.judge(p, id, key) }); err != nil {
		s.end(err)
	}
}

func (s *link) judge(p pair, id, key string) error {
	valid, err := s.fed.askAbout(p, id, key)
	switch {
	case err != nil:
		s.note("s2s: a dialback key cannot be verified", "of", p.remote, "cause", err)
		return s.refuse(p, conditionOf(err))
	case valid:
		return s.accept(p, "dialback")
	}
	s.note("s2s: a dialback key is wrong", "of", p.remote)
	err = s.say(dialbackElement("result", p.local, p.remote, "", "invalid", "")) // XEP-0220 §2.2.2
	if err == nil && len(*s.verified.Load()) == 0 {
		err = errUnproved
	}
	return err
}

var errUnproved = errors.New("the other server could not prove its domain")

// accept lets the other side send for the domain from now on.
func (s *link) accept(p pair, method string) error {
	s.trust(p, method)
	valid := dialbackElement("result", p.local, p.remote, "", "valid", "")
	switch {
	case s.outgoing: // there we have proved nothing for this pair
		return s.say(valid)
	case !s.writing():
		err := s.say(valid)
		s.startBidi(p)
		return err
	}
	// Both at once: the other side may send as soon as it knows, and the answer is to go back on this stream, behind the result.
	s.fed.mu.Lock()
	defer s.fed.mu.Unlock()
	err := s.fed.queueControlLocked(s, valid)
	s.startBidiLocked(p)
	return err
}

func (s *link) refuse(p pair, reason stanza.Condition) error {
	return s.say(dialbackElement("result", p.local, p.remote, "", "error", dialbackError(reason)))
}

// askAbout asks the domain's own server whether it made the key.
func (f *Federation) askAbout(p pair, id, key string) (valid bool, err error) {
	ctx, cancel := context.WithTimeout(f.ctx, f.cfg.NegotiateTimeout*3/4) // whoever claims does not wait longer
	defer cancel()
	asked, err := f.connect(ctx, f.verifyingSlots, p, func(s *link, _ *scan.Node) error {
		question := dialbackElement("verify", p.local, p.remote, id, "", string(scan.AppendEscaped(nil, key)))
		if err := s.say(question); err != nil {
			return err
		}
		n, err := s.awaitDialback("verify", p, id)
		if err != nil {
			return err
		}
		switch typ := n.Attr("type"); typ {
		case "valid":
			valid = true
			return nil
		case "invalid":
			return nil
		default:
			return refusal{stanza.RemoteServerNotFound, fmt.Errorf("the domain's own server answers %q: %s", typ, conditionIn(n))}
		}
	})
	if err == nil {
		f.dismiss(asked, nil)
	}
	return valid, err
}

// prove is the originating server's part: it sends a key and waits until the other side has asked about it (XEP-0220 §2.1).
func (s *link) prove() error {
	p := pair{s.local, s.remote}
	key := s.fed.keys.key(p.remote, p.local, s.id)
	if err := s.say(dialbackElement("result", p.local, p.remote, "", "", key)); err != nil {
		return err
	}
	n, err := s.awaitDialback("result", p, "")
	if err != nil {
		return err
	}
	switch typ := n.Attr("type"); typ {
	case "valid":
		return nil
	case "error":
		return refusal{stanza.RemoteServerNotFound, fmt.Errorf("dialback was refused: %s", conditionIn(n))}
	default:
		return refusal{stanza.RemoteServerNotFound, fmt.Errorf("the dialback key was found to be %q", typ)}
	}
}

// awaitDialback reads up to the answer about a pair of domains. Questions of the other side are answered meanwhile.
func (s *link) awaitDialback(name string, p pair, id string) (*scan.Node, error) {
	for {
		head, raw, err := s.element()
		if err != nil {
			return nil, err
		}
		if string(head.NS) != scan.NSDialback {
			continue
		}
		n, err := scan.ParseServer(raw)
		if err != nil {
			return nil, err
		}
		from, to, err := addressesOf(n)
		if err != nil {
			return nil, err
		}
		switch {
		case n.Name == name && n.Attr("type") != "" && from == p.remote && to == p.local && (id == "" || n.Attr("id") == id):
			return n, nil
		case n.Name == "verify":
			if err := s.answerVerify(raw); err != nil {
				return nil, err
			}
		}
	}
}
