package xmpp

import (
	"maps"
	"slices"
	"strings"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsBlocking       = "urn:xmpp:blocking"
	nsBlockingErrors = "urn:xmpp:blocking:errors"
	nsReporting      = "urn:xmpp:reporting:1"
	nsReportingOld   = "urn:xmpp:reporting:0"
)

// blocklistGet answers with what the user has blocked; the client gets the changes from then on (XEP-0191 §3.2).
func (r *request) blocklistGet() error {
	r.from.blocking.Store(true)
	e := newElement("blocklist").attr("xmlns", nsBlocking)
	if l := r.from.account.blocked.Load(); l != nil {
		appendBlocked(e, slices.Sorted(maps.Keys(l.jids)))
	}
	return r.reply(e.close("blocklist").bytes())
}

func appendBlocked(e *element, jids []string) {
	for _, j := range jids {
		e.start("item").attr("jid", j).close("item")
	}
}

// blockingSet blocks or unblocks addresses (XEP-0191 §3.3-3.5).
func (r *request) blockingSet() error {
	command, err := r.payload()
	if err != nil {
		return err
	}
	jids, err := readBlocked(command)
	switch {
	case err != nil:
		return err
	case command.Name == "unblock":
		return r.changeBlocked(command.Name, nil, jids)
	case command.Name != "block", len(jids) == 0:
		return errBadRequest // §3.3
	}
	if err := r.changeBlocked(command.Name, jids, nil); err != nil {
		return err
	}
	r.takeReports(command)
	return nil
}

// readBlocked returns the normal forms of the addresses of a command.
func readBlocked(command *scan.Node) ([]string, error) {
	var list []string
	for _, n := range command.Nodes {
		if n.Name != "item" || n.NS != nsBlocking {
			continue
		}
		j, err := jid.Parse(n.Attr("jid"))
		if err != nil || j.Domainpart() == "" {
			return nil, stanza.Error{Type: stanza.Modify, Condition: stanza.JIDMalformed}
		}
		list = append(list, j.String())
	}
	return list, nil
}

// changeBlocked changes the user's list, durably, and carries the change out. Nothing to add and nothing
// to remove means that the list is emptied.
func (r *request) changeBlocked(command string, add, remove []string) error {
	s, a := r.server, r.from.account
	a.blockMu.Lock()
	defer a.blockMu.Unlock()
	old, told := a.blocked.Load(), slices.Concat(add, remove)
	if len(told) == 0 && old != nil {
		remove = slices.Collect(maps.Keys(old.jids))
	}
	now := old.with(add, remove)
	if now != nil && len(add) > 0 && len(now.jids) > s.cfg.MaxBlocked {
		return stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint}
	}
	if err := s.deps.Store.ChangeBlocked(s.ctx, a.user, add, remove); err != nil {
		return err
	}
	g := s.groups.Load() // before the list counts: a change of roles that finds it in force leaves those who saw the user to us
	s.blocklists.put(a, now)
	if err := r.reply(nil); err != nil {
		return err
	}
	r.pushBlocked(command, told)
	for _, other := range s.accountsOf(slices.Concat(add, remove)) {
		if other != a {
			s.showBlocked(r.batch, g, a, other, old, now)
		}
	}
	s.showBlockedTeams(r.batch, a, old, now)
	s.showBlockedAbroad(r.batch, a, old, now)
	return nil
}

// pushBlocked tells the user's clients that have asked for the list of a change.
func (r *request) pushBlocked(command string, jids []string) {
	for _, c := range r.from.account.bound() {
		if c.blocking.Load() {
			e := newElement("iq").attr("type", "set").attr("id", randomID()[:8]).attr("to", c.jid)
			e.start(command).attr("xmlns", nsBlocking)
			appendBlocked(e, jids)
			r.batch.push(c, e.close(command).close("iq").bytes())
		}
	}
}

// accountsOf lists the local accounts that may be meant by addresses of a block list.
func (s *Server) accountsOf(jids []string) []*account {
	seen := make(map[*account]bool)
	for _, j := range jids {
		bare := string(bareOf([]byte(j)))
		if !strings.Contains(bare, "@") {
			return s.router.allAccounts() // a domain
		}
		if a := s.router.account([]byte(bare)); a != nil {
			seen[a] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// showBlocked tells the clients of two users what they now see of each other, after the list of one has
// changed: presence goes, or comes back (XEP-0191 §3.3, §3.4). The user sees as little of the other as the
// other of the user, since nothing more will come. before are the roles of when the list was changed.
func (s *Server) showBlocked(b *batch, before *groups, a, other *account, old, now *blocklist) {
	if other.blocked.Load().blocks(a.bare, "") {
		return // there was nothing to see, and there is not
	}
	sees := s.sees(other, a)
	if (sees || before.saw(other.user, a.user)) && !s.groups.Load().supervises(other.user, a.user) {
		for _, to := range other.bound() {
			was, is := old.blocks(other.bare, to.resource), now.blocks(other.bare, to.resource)
			// Who saw the user by roles that are being taken away can only lose sight.
			if to.available.Load() && (sees || is) {
				s.showPresence(b, a, to, was, is)
			}
		}
	}
	if sees = s.sees(a, other); !sees && !before.saw(a.user, other.user) {
		return
	}
	for _, to := range a.bound() {
		if to.available.Load() {
			s.showResources(b, other, to, old, now, sees)
		}
	}
}

// showBlockedTeams is showBlocked for the teams among the user's contacts.
func (s *Server) showBlockedTeams(b *batch, a *account, old, now *blocklist) {
	g := s.groups.Load()
	g.contacts(a.user, func(c contact) {
		was, is := old.blocks(c.bare, ""), now.blocks(c.bare, "")
		switch {
		case c.team == 0 || was == is:
		case is:
			a.deliverAvailable(b, unavailableFrom(c.bare))
		default:
			a.deliverAvailable(b, s.teamPresence(g.dir, c))
		}
	})
}

func (s *Server) showPresence(b *batch, of *account, to *session, was, is bool) {
	switch {
	case was && !is:
		s.tellPresence(b, of, to, nil)
	case is && !was:
		s.retractPresence(b, of, to)
	}
}

// showResources is showPresence for the list of the viewer, which may have single resources. Without sees they only go.
func (s *Server) showResources(b *batch, of *account, to *session, old, now *blocklist, sees bool) {
	of.presenceMu.Lock()
	defer of.presenceMu.Unlock()
	full := !s.overlayOf(of).detailed() || s.groups.Load().details(to.account.user, of.user)
	show := func(resource string, presence []byte) {
		was, is := old.blocks(of.bare, resource), now.blocks(of.bare, resource)
		switch {
		case was && !is && sees:
			b.push(to, presence)
		case is && !was:
			b.push(to, unavailableFrom(of.bare+"/"+resource))
		}
	}
	for _, c := range of.bound() {
		if c.available.Load() {
			show(c.resource, c.composed.to(full))
		}
	}
	if raw := of.phone.to(full); raw != nil {
		show(phoneResource, raw)
	}
}

// The limits of what the log is told of the reports of one request: of how many about whom, and the bytes of each text.
const (
	maxReported     = 5
	maxReportedText = 500
)

// takeReports writes down why somebody was blocked, for the administrators (XEP-0377 §3): a line for all reports of a request.
func (r *request) takeReports(command *scan.Node) {
	n := 0
	var about []string
	var reason, text string // of the first
	for _, item := range command.Nodes {
		why, said, ok := readReport(item)
		if !ok {
			continue
		}
		if n++; n == 1 {
			reason, text = why, said
		}
		if n <= maxReported {
			about = append(about, shortened(item.Attr("jid"), maxReportedText))
		}
	}
	if n > 0 {
		r.from.log.Warn("xmpp: a user reports somebody", "about", strings.Join(about, " "), "reports", n,
			"reason", shortened(reason, maxReportedText), "text", shortened(text, maxReportedText))
	}
}

// readReport returns the reason of a report and what the user says of it. Gajim 1.7 has the reason as an element, as it
// was in version 0.2 of XEP-0377.
func readReport(item *scan.Node) (reason, text string, ok bool) {
	if report := item.Child(nsReporting, "report"); report != nil {
		return report.Attr("reason"), report.ChildText(nsReporting, "text"), true
	}
	report := item.Child(nsReportingOld, "report")
	if report == nil {
		return "", "", false
	}
	for _, n := range report.Nodes {
		if n.NS == nsReportingOld && n.Name != "text" {
			reason = n.Name
		}
	}
	return reason, report.ChildText(nsReportingOld, "text"), true
}
