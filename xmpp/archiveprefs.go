package xmpp

import (
	"context"
	"slices"
	"strings"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// maxArchiveRules is how many addresses a user may make an exception for.
const maxArchiveRules = 500

func (s *Server) loadArchivePreferences(ctx context.Context) error {
	all, err := s.deps.Store.ArchivePreferences(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		s.archiving.Store(all[i].User, &all[i])
	}
	return nil
}

// archives reports whether a user's archive takes messages from and to an address (XEP-0441 §2).
func (s *Server) archives(b *batch, a *account, bare, resource string) bool {
	found, ok := s.archiving.Load(a.user)
	if !ok {
		return true
	}
	p := found.(*uc.ArchivePreferences) //nolint:errcheck // the map holds nothing else
	lists := func(jids []string) bool {
		return slices.Contains(jids, bare) || resource != "" && slices.Contains(jids, bare+"/"+resource)
	}
	switch {
	case lists(p.Never):
		return false
	case lists(p.Always), p.Standard == "always":
		return true
	case p.Standard == "roster":
		b.mayWait()
		return s.inRoster(a, bare)
	}
	return false
}

// inRoster reports whether an address is in a user's roster.
func (s *Server) inRoster(a *account, bare string) bool {
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	_, ok := s.current(a, bare)
	return ok
}

// archivePrefs answers with the user's preferences, or sets them (XEP-0441 §2).
func (r *request) archivePrefs(prefs *scan.Node) error {
	s, user := r.server, r.from.account.user
	if string(r.head.Type) == "set" {
		p, err := readArchivePrefs(prefs)
		if err != nil {
			return err
		}
		p.User = user
		if err := s.deps.Store.PutArchivePreferences(s.ctx, *p); err != nil {
			return err
		}
		s.archiving.Store(user, p)
	}
	p := &uc.ArchivePreferences{Standard: "always"}
	if found, ok := s.archiving.Load(user); ok {
		p = found.(*uc.ArchivePreferences) //nolint:errcheck // the map holds nothing else
	}
	e := newElement("prefs").attr("xmlns", nsArchive).attr("default", p.Standard)
	for _, list := range []struct {
		name string
		jids []string
	}{{"always", p.Always}, {"never", p.Never}} {
		e.start(list.name)
		for _, j := range list.jids {
			e.text("jid", j)
		}
		e.close(list.name)
	}
	return r.reply(e.close("prefs").bytes())
}

func readArchivePrefs(prefs *scan.Node) (*uc.ArchivePreferences, error) {
	p := &uc.ArchivePreferences{Standard: prefs.Attr("default")}
	if !slices.Contains([]string{"always", "never", "roster"}, p.Standard) {
		return nil, errBadRequest
	}
	var err error
	if p.Always, err = readArchiveRules(prefs.Child(nsArchive, "always")); err != nil {
		return nil, err
	}
	p.Never, err = readArchiveRules(prefs.Child(nsArchive, "never"))
	return p, err
}

func readArchiveRules(list *scan.Node) ([]string, error) {
	if list == nil {
		return nil, nil
	}
	if len(list.Nodes) > maxArchiveRules {
		return nil, errNotAcceptable
	}
	var jids []string
	for _, n := range list.Nodes {
		j, err := jid.Parse(strings.TrimSpace(n.Text))
		if err != nil || n.Name != "jid" {
			return nil, stanza.Error{Type: stanza.Modify, Condition: stanza.JIDMalformed}
		}
		jids = append(jids, j.String())
	}
	return jids, nil
}
