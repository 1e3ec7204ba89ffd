package s2s

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/identity"
)

const (
	defaultPort = 5269 // RFC 6120 §3.2.2
	maxTargets  = 16   // that are tried of one domain
	maxAddrs    = 8    // that are tried of one target
)

// target is where a domain's server may be.
type target struct {
	host   string // absolute name, or an IP address
	port   uint16
	direct bool // TLS from the first byte (XEP-0368)
}

// record is an SRV record of either service.
type record struct {
	net.SRV
	direct bool
}

// resolve lists where to try a domain, best first.
func (f *Federation) resolve(ctx context.Context, domain string) ([]target, error) {
	if addr, ok := literal(domain); ok {
		return []target{{host: addr.String(), port: defaultPort}}, nil
	}
	name := identity.ASCII(domain) + "."
	var direct, plain []*net.SRV
	var wait sync.WaitGroup
	// Errors are the same to us as no records: the plain fallback then tells what is wrong (RFC 6120 §3.2.1).
	wait.Go(func() { _, direct, _ = f.cfg.Resolver.LookupSRV(ctx, "xmpps-server", "tcp", name) })
	wait.Go(func() { _, plain, _ = f.cfg.Resolver.LookupSRV(ctx, "xmpp-server", "tcp", name) })
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var records []record
	for _, r := range direct {
		records = append(records, record{*r, true})
	}
	for _, r := range plain {
		records = append(records, record{*r, false})
	}
	targets := order(records, rand.N[int])
	switch {
	case len(targets) > 0:
		return targets[:min(len(targets), maxTargets)], nil
	case len(plain) > 0: // "." only: the domain says that it has no server (RFC 2782)
		return nil, refusal{stanza.RemoteServerNotFound, errors.New("the domain offers no XMPP service")}
	}
	return []target{{host: name, port: defaultPort}}, nil
}

// order sorts the records of both services as one set (XEP-0368 §3): by priority, and inside of one priority at
// random by weight (RFC 2782). pick(n) chooses a number from 0 up to n. Targets "." are left out.
func order(records []record, pick func(n int) int) []target {
	records = slices.DeleteFunc(slices.Clone(records), func(r record) bool { return r.Target == "." || r.Target == "" })
	// Records of weight 0 come first, which leaves them a small chance.
	slices.SortStableFunc(records, func(a, b record) int {
		if a.Priority != b.Priority {
			return int(a.Priority) - int(b.Priority)
		}
		return int(a.Weight) - int(b.Weight)
	})
	var targets []target
	for len(records) > 0 {
		same := 0
		for same < len(records) && records[same].Priority == records[0].Priority {
			same++
		}
		i := weighted(records[:same], pick)
		r := records[i]
		targets = append(targets, target{strings.TrimSuffix(r.Target, ".") + ".", r.Port, r.direct})
		records = slices.Delete(records, i, i+1)
	}
	return targets
}

func weighted(records []record, pick func(n int) int) int {
	sum := 0
	for _, r := range records {
		sum += int(r.Weight)
	}
	n := pick(sum + 1)
	for i, r := range records {
		if n -= int(r.Weight); n <= 0 {
			return i
		}
	}
	return len(records) - 1
}

// addresses looks up where a target listens.
func (f *Federation) addresses(ctx context.Context, t target) ([]string, error) {
	port := strconv.Itoa(int(t.port))
	if addr, ok := literal(strings.TrimSuffix(t.host, ".")); ok {
		return []string{net.JoinHostPort(addr.String(), port)}, nil
	}
	hosts, err := f.cfg.Resolver.LookupHost(ctx, t.host)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound, err == nil && len(hosts) == 0:
		return nil, refusal{stanza.RemoteServerNotFound, fmt.Errorf("%s has no address", t.host)}
	case err != nil:
		return nil, err
	}
	list := make([]string, 0, len(hosts))
	for _, h := range hosts[:min(len(hosts), maxAddrs)] {
		list = append(list, net.JoinHostPort(h, port))
	}
	return list, nil
}
