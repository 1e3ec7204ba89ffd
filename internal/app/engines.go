package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/rolecall/rolecall/admin"
	"github.com/rolecall/rolecall/internal/presence"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/profiles"
	"github.com/rolecall/rolecall/profiles/graph"
	"github.com/rolecall/rolecall/sip"
	"github.com/rolecall/rolecall/sip/media"
	"github.com/rolecall/rolecall/xmpp"
	"github.com/rolecall/rolecall/xmpp/negotiate"
)

func (a *App) newProfiles(ctx context.Context) (*profiles.Engine, error) {
	return profiles.New(ctx, profiles.Deps{
		Store: a.store, Directory: a.directory, Switches: a.directory, Bus: a.bus, Messenger: messenger{a},
	}, profiles.Options{Now: a.clock.Now, Location: a.zone, LeaveDelay: a.cfg.Teams.LeaveDelay, Log: a.log})
}

// messenger sends profile messages through the XMPP server, which is built after the profile engine.
type messenger struct{ app *App }

// SendMessage implements profiles.Messenger.
func (m messenger) SendMessage(ctx context.Context, to, text string) error {
	return m.app.xmpp.SendMessage(ctx, to, text)
}

func (a *App) newGraph() (*graph.Poller, error) {
	t := a.cfg.Teams
	secret, err := t.secret()
	if err != nil {
		return nil, err
	}
	return graph.New(graph.Config{
		TenantID: t.TenantID, ClientID: t.ClientID, ClientSecret: secret, Cloud: t.Cloud,
		AuthorityHost: t.AuthorityHost, GraphURL: t.GraphURL, CAFile: t.CAFile, Domain: a.cfg.Domain, Interval: t.Interval,
	}, a.directory, teamsSink{a}, a.bus, a.log)
}

// teamsSink hands answers of Microsoft Graph to the profile engine, with their time by the server's clock.
type teamsSink struct{ app *App }

// Teams implements graph.Sink.
func (s teamsSink) Teams(p uc.TeamsPresence) {
	p.SeenAt = p.SeenAt.Add(s.app.clock.Ahead())
	s.app.profiles.Teams(p)
}

func (a *App) newSIP(cert tls.Certificate, secret []byte) (*sip.Server, error) {
	ip, err := a.sipIP()
	if err != nil {
		return nil, err
	}
	at := func(port string) string {
		if port == "" {
			return ""
		}
		return net.JoinHostPort(ip.String(), port)
	}
	server, err := sip.New(sip.Config{
		Domain: a.cfg.Domain, UDP: at(a.cfg.SIP.UDP), TCP: at(a.cfg.SIP.TCP), TLSAddr: at(a.cfg.SIP.TLS),
		TLS:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		Media:       media.Config{IP: ip, Min: uint16(a.cfg.SIP.RTPMin), Max: uint16(a.cfg.SIP.RTPMax)},
		NonceSecret: secret, ShutdownGrace: a.cfg.Grace, Digests: a.cfg.SIP.Digests,
	}, sip.Deps{Directory: a.directory, Store: a.store, Bus: a.bus, Log: a.log})
	var failed *sip.ListenError
	if errors.As(err, &failed) {
		port := map[string]string{"udp": a.cfg.SIP.UDP, "tcp": a.cfg.SIP.TCP, "tls": a.cfg.SIP.TLS}[failed.Transport]
		return nil, listenFault("sip."+failed.Transport, at(port), failed.Err)
	}
	return server, err
}

// sipIP returns the configured address of this machine, or the one that its default route leaves from.
func (a *App) sipIP() (netip.Addr, error) {
	if a.cfg.SIP.IP != "" {
		return netip.ParseAddr(a.cfg.SIP.IP)
	}
	// Connecting a UDP socket sends nothing; it only asks the kernel for the route.
	conn, err := net.Dial("udp", "192.0.2.1:9") //nolint:noctx // nothing to wait for
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil // not connected to any network
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// sipAddress writes an address of the SIP engine; one that it does not listen on is "".
func sipAddress(at netip.AddrPort) string {
	if !at.IsValid() {
		return ""
	}
	return at.String()
}

// countLDAP counts the users whose passwords are in an LDAP directory.
func (a *App) countLDAP() (n int) {
	for _, u := range a.directory.Snapshot().Users.All() {
		if u.Auth == uc.AuthLDAP {
			n++
		}
	}
	return n
}

func (a *App) newXMPP(cert tls.Certificate, roots *x509.CertPool, secret []byte) (err error) {
	if a.uploads, err = a.newUploads(); err != nil {
		return err
	}
	var passwords xmpp.Passwords
	if a.cfg.LDAP.On() {
		if passwords, err = a.cfg.LDAP.checker(); err != nil {
			return fmt.Errorf("ldap: %w", err)
		}
	} else if n := a.countLDAP(); n > 0 {
		a.log.Warn("ldap.url is not set: users with the authentication ldap cannot sign in", "users", n)
	}
	components, err := a.cfg.XMPP.components()
	if err != nil {
		return fmt.Errorf("components: %w", err)
	}
	relays, relaySecret, err := a.cfg.XMPP.Turn.relays()
	if err != nil {
		return fmt.Errorf("turn: %w", err)
	}
	a.xmpp, err = xmpp.New(xmpp.Config{
		Relays: relays, RelaySecret: relaySecret, RelayLife: a.cfg.XMPP.Turn.TTL,
		Domain: a.cfg.Domain, MaxStanza: a.cfg.XMPP.MaxStanza, Archive: a.cfg.XMPP.Archive, ArchiveQuota: a.cfg.XMPP.ArchiveQuota, Insecure: a.cfg.XMPP.Insecure, Secret: secret,
		Push:           a.cfg.XMPP.Push,
		PasswordChange: a.cfg.XMPP.Registration == "password-change",
		Contacts: xmpp.Contacts{
			Abuse: a.cfg.XMPP.ContactAbuse, Admin: a.cfg.XMPP.ContactAdmin, Security: a.cfg.XMPP.ContactSecurity, Support: a.cfg.XMPP.ContactSupport,
		},
		TraceBodies: a.cfg.XMPP.TraceBodies,
		MaxRate:     a.cfg.XMPP.MaxRate,
		RoomsDomain: a.cfg.XMPP.Rooms, RoomCreators: a.cfg.XMPP.RoomCreators, Components: components, ComponentRoots: roots,
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	}, xmpp.Deps{
		Directory: a.directory, Store: a.store, Profiles: a.profiles, Switches: a.directory, Presences: a.presence,
		Explainer: a.sip, Phones: a.sip, Uploads: a.uploads, Bus: a.bus, Tokens: a.store, Passwords: passwords, Limiter: negotiate.NewThrottle(time.Now), Log: a.log,
		Accounts: admin.GuardAccounts(a.directory), Stop: a.stopSoon,
	})
	if err != nil {
		return err
	}
	if a.xmppSTLS, err = a.listen("xmpp.listen", a.cfg.XMPP.Listen); err != nil {
		return err
	}
	if a.xmppTLS, err = a.listen("xmpp.listen-tls", a.cfg.XMPP.ListenTLS); err != nil {
		return err
	}
	a.xmppComponents, err = a.listen("xmpp.listen-components", a.cfg.XMPP.ListenComponents)
	return err
}

// listenFault says which setting an address that cannot be listened on comes from.
func listenFault(setting, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: another program listens at %s already", setting, address)
	}
	return fmt.Errorf("%s: %w", setting, err)
}

// listen opens a TCP listener; an empty address is none. A port that is taken is told with its setting.
func (a *App) listen(setting, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	ln, err := opened(a, func() (net.Listener, error) { return net.Listen("tcp", address) }) //nolint:noctx // nothing to wait for
	if err != nil {
		return nil, listenFault(setting, address, err)
	}
	return ln, nil
}

func (a *App) newAdmin() error {
	deps := admin.Deps{
		Directory: a.directory, Profiles: a.profiles, Presences: a.presence, Phones: a.sip, Chats: a.xmpp, Subscriptions: a.xmpp.Subscriptions, Bus: a.bus, Now: a.clock.Now, Log: a.log,
	}
	if a.federation != nil {
		deps.ServerStreams = a.serverStreams
	}
	if a.graph != nil {
		deps.TeamsSync = a.graph.Status
	}
	var err error
	if a.admin, err = admin.New(admin.Config{}, deps); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	return nil
}

// sources are what presence is computed from.
func (a *App) sources() presence.Sources {
	return presence.Sources{
		Directory: a.directory.Snapshot, Profile: a.profiles.State,
		Calls: a.sip.Calls, Registrations: a.sip.Registrations, Resources: a.xmpp.Resources,
	}
}
