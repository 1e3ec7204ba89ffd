package xmpp

import (
	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// inline lists what clients may switch on while they bind a resource (XEP-0386 §4.1).
func (s *Server) inline() []negotiate.Inline {
	return []negotiate.Inline{
		{NS: nsCarbons, Enable: s.atBind((*session).carbonsAtBind)},
		{NS: nsManagement, Enable: s.atBind((*session).managementAtBind)},
		{NS: nsClientState, Enable: s.atBind((*session).inactiveAtBind)},
	}
}

// atBind finds the session that bindResource has made.
func (s *Server) atBind(do func(*session, *scan.Node) []byte) func(jid.JID, *scan.Node) []byte {
	return func(address jid.JID, request *scan.Node) []byte {
		if c := s.router.session([]byte(address.String())); c != nil {
			return do(c, request)
		}
		return nil
	}
}

// carbonsAtBind needs no answer (XEP-0386 §4.2).
func (c *session) carbonsAtBind(request *scan.Node) []byte {
	if request.Name == "enable" {
		c.carbons.Store(true)
	}
	return nil
}

// inactiveAtBind needs no answer. A client that says nothing is active (XEP-0352 §5.1).
func (c *session) inactiveAtBind(request *scan.Node) []byte {
	if request.Name == "inactive" {
		c.becomeInactive()
	}
	return nil
}

// managementAtBind begins to count stanzas with the first one after the login (XEP-0198 §6.1).
func (c *session) managementAtBind(request *scan.Node) []byte {
	if request.Name != "enable" || c.queue.managed() {
		return nil
	}
	answer, resumable := c.prepareManagement(request)
	c.startManagement(nil, resumable)
	return answer
}

// archiveAtBind tells a client how far its archive goes at the moment at which it begins to get messages
// itself (XEP-0386 §4.2).
func (s *Server) archiveAtBind(address jid.JID) []byte {
	c := s.router.session([]byte(address.String()))
	if s.archive == nil || c == nil {
		return nil
	}
	ends, err := s.archiveEnds(uc.Archive{User: c.account.user})
	if err != nil {
		c.log.Error("xmpp: cannot read the archive", "cause", err)
	}
	return ends
}
