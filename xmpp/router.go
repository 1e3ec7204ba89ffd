package xmpp

import (
	"bytes"
	"hash/maphash"
	"strings"
	"sync"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

const routerShards = 64

// router finds accounts by bare and sessions by full address. Its keys are canonical; addresses are
// looked up as the client wrote them, and normalised only if that finds nothing.
type router struct {
	seed   maphash.Seed
	shards [routerShards]routerShard
}

type routerShard struct {
	mu       sync.RWMutex
	accounts map[string]*account
	sessions map[string]*session
}

func newRouter() *router {
	r := &router{seed: maphash.MakeSeed()}
	for i := range r.shards {
		r.shards[i].accounts = make(map[string]*account)
		r.shards[i].sessions = make(map[string]*session)
	}
	return r
}

func (r *router) shard(address []byte) *routerShard {
	return &r.shards[maphash.Bytes(r.seed, address)%routerShards]
}

func (r *router) shardOf(address string) *routerShard {
	return &r.shards[maphash.String(r.seed, address)%routerShards]
}

func (r *router) session(full []byte) *session {
	sh := r.shard(full)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.sessions[string(full)]
}

func (r *router) account(bare []byte) *account {
	sh := r.shard(bare)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.accounts[string(bare)]
}

// accountOf returns the account of a bare address, made by create if there is none yet.
func (r *router) accountOf(bare string, create func() *account) *account {
	sh := r.shardOf(bare)
	sh.mu.RLock()
	a := sh.accounts[bare]
	sh.mu.RUnlock()
	if a != nil {
		return a
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if a = sh.accounts[bare]; a == nil {
		a = create()
		sh.accounts[bare] = a
	}
	return a
}

func (r *router) dropAccount(bare string) {
	sh := r.shardOf(bare)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.accounts, bare)
}

func (r *router) addSession(s *session) {
	sh := r.shardOf(s.jid)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.sessions[s.jid] = s
}

func (r *router) dropSession(s *session) {
	sh := r.shardOf(s.jid)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.sessions[s.jid] == s {
		delete(sh.sessions, s.jid)
	}
}

// allSessions lists the sessions of all users.
func (r *router) allSessions() []*session {
	var list []*session
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.RLock()
		for _, s := range sh.sessions {
			list = append(list, s)
		}
		sh.mu.RUnlock()
	}
	return list
}

// allAccounts lists the accounts that were made so far.
func (r *router) allAccounts() []*account {
	var list []*account
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.RLock()
		for _, a := range sh.accounts {
			list = append(list, a)
		}
		sh.mu.RUnlock()
	}
	return list
}

// destination is what an address of the served domain means.
type destination struct {
	server   bool     // the domain itself, or that of uploads
	uploads  bool     // the domain of uploads
	account  *account // of an existing user
	session  *session // of the resource, if it is connected
	resource bool     // the address is a full one
	bare     string   // canonical; empty for the server
	abroad   *session // a stranger, if the address is of another domain; then there is no account
}

// owner returns the account that the address belongs to, a user's or a stranger's; nil if it is nobody's.
func (d destination) owner() *account {
	if d.abroad != nil {
		return d.abroad.account
	}
	return d.account
}

// resolve finds out what an address means. An address of the domain that belongs to nobody gives a
// destination with neither server nor account.
func (s *Server) resolve(to []byte) (destination, error) {
	if to := s.router.session(to); to != nil {
		return destination{account: to.account, session: to, resource: true, bare: to.account.bare}, nil
	}
	if a := s.router.account(to); a != nil {
		return destination{account: a, bare: a.bare}, nil
	}
	if string(to) == s.cfg.Domain {
		return destination{server: true}, nil
	}
	return s.resolveParsed(to)
}

func (s *Server) resolveParsed(to []byte) (destination, error) {
	parsed, err := jid.Parse(string(to))
	if err != nil {
		return destination{}, stanza.Error{Type: stanza.Modify, Condition: stanza.JIDMalformed}
	}
	if s.isUploads(parsed.Domainpart()) && parsed.Localpart() == "" {
		return destination{server: true, uploads: true, resource: parsed.Resourcepart() != ""}, nil
	}
	if parsed.Domainpart() != s.cfg.Domain {
		return s.resolveAbroad(parsed)
	}
	d := destination{resource: parsed.Resourcepart() != ""}
	if parsed.Localpart() == "" {
		d.server = true
		return d, nil
	}
	d.bare = parsed.Bare().String()
	d.account = s.accountByLogin(parsed.Localpart())
	if d.account != nil && d.resource {
		d.session = s.router.session([]byte(parsed.String()))
	}
	return d, nil
}

// loginOf returns the localpart of a canonical bare address of the domain, or "".
func (s *Server) loginOf(bare string) string {
	login, domain, ok := strings.Cut(bare, "@")
	if !ok || domain != s.cfg.Domain {
		return ""
	}
	return login
}

// bareOf cuts the resource off an address.
func bareOf(address []byte) []byte {
	if i := bytes.IndexByte(address, '/'); i >= 0 {
		return address[:i]
	}
	return address
}
