package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/ldap"
	"github.com/rolecall/rolecall/xmpp"
)

// Config is every setting there is. Each is a flag (--sip.udp), an environment variable
// (ROLECALL_SIP_UDP) and a key of the YAML file (sip: {udp: …}); a flag beats the environment, which
// beats the file. The help texts below are the documentation.
type Config struct {
	Data      string           `help:"Folder of the database, certificates and keys; it is made if it does not exist." default:"data"`
	Database  string           `help:"Database URL: sqlite:///path/to/file or postgres://…; empty means rolecall.db in the data folder."`
	Domain    string           `help:"Domain of XMPP addresses and of SIP: anna@DOMAIN." default:"localhost"`
	TimeZone  string           `help:"IANA time zone of users who have none of their own; Local is the machine's." default:"Local"`
	Grace     time.Duration    `help:"How long calls in progress may go on after SIGTERM." default:"30s"`
	Retention time.Duration    `help:"How long the audit, the journal and records of calls are kept; 0 keeps them." default:"17520h"`
	Log       LogConfig        `embed:"" prefix:"log."`
	TLS       TLSConfig        `embed:"" prefix:"tls."`
	XMPP      XMPPConfig       `embed:"" prefix:"xmpp."`
	S2S       FederationConfig `embed:"" prefix:"xmpp."`
	SIP       SIPConfig        `embed:"" prefix:"sip."`
	HTTP      HTTPConfig       `embed:"" prefix:"http."`
	Upload    UploadConfig     `embed:"" prefix:"upload."`
	Teams     TeamsConfig      `embed:"" prefix:"teams."`
	LDAP      LDAPConfig       `embed:"" prefix:"ldap."`
}

// LogConfig says what is logged to standard error.
type LogConfig struct {
	Level  string `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error"`
	Format string `help:"text or json." default:"text" enum:"text,json"`
}

// TLSConfig names the certificate of all listeners.
type TLSConfig struct {
	Cert string `help:"Certificate chain, PEM. Without one a self-signed certificate is made in the data folder."`
	Key  string `help:"Private key of the certificate, PEM."`
}

// XMPPConfig is for chat clients.
type XMPPConfig struct {
	Listen       string        `help:"Address for clients that begin with STARTTLS; empty switches it off." default:":5222"`
	ListenTLS    string        `help:"Address for clients that begin with TLS (XEP-0368); empty switches it off." default:":5223"`
	MaxStanza    int           `help:"Largest stanza after login, in bytes." default:"262144"`
	MaxRate      int           `help:"Stanzas a second that one client may send; one that sends more is slowed, not disconnected. 0 lets every client send as fast as it can." default:"10000"`
	Insecure     bool          `help:"Let clients sign in without TLS. For load tests: listen must be a loopback address."`
	Rooms        string        `help:"Domain of chat rooms; empty means rooms. and the domain."`
	RoomCreators []string      `help:"Titles of the roles whose users may make chat rooms; empty lets everybody."`
	TraceBodies  bool          `help:"Show administrators whole stanzas in traces of chat sessions, messages included. For debugging only."`
	Archive      time.Duration `help:"How long messages, also those of chat rooms, are kept for users to read them again; 0 switches the archive off." default:"8760h"`
	ArchiveQuota int           `help:"How many messages are kept of one user, and of one chat room; the oldest go first, and a tenth more may be there for a while. 0 is no limit." default:"100000"`
	Push         string        `help:"What push services are told of a message beside that there is one: notice (nothing), sender, or body (sender and text)." default:"notice" enum:"notice,sender,body"`

	Turn TurnConfig `embed:"" prefix:"turn."`

	Registration     string   `help:"What users may do to their account by their client (XEP-0077): off, or password-change. Accounts are made on the admin page." default:"off" enum:"off,password-change"`
	ContactAbuse     []string `help:"Where abuse is reported, as mailto:abuse@example.org or xmpp:… (XEP-0157)."`
	ContactAdmin     []string `help:"Where administrators are reached."`
	ContactSecurity  []string `help:"Where weaknesses are reported."`
	ContactSupport   []string `help:"Where users find help."`
	ListenComponents string   `help:"Address for external components, which connect in the clear (XEP-0114) or with TLS (XEP-0225): a loopback address, or one of a private network; empty switches it off."`
	Components       []string `help:"External components: their domain and the file that holds their secret, as bot.example.org=/etc/rolecall/bot.secret. A domain alone proves itself by its certificate, with TLS."`
}

// TurnConfig names the STUN and TURN servers that clients may use in calls (XEP-0215).
type TurnConfig struct {
	URLs       []string      `name:"urls" help:"Addresses, as stun:turn.example.org, turn:turn.example.org:3478?transport=udp, turns:turn.example.org:443?transport=tcp."`
	SecretFile string        `help:"File that holds the secret that the TURN servers share with this one (coturn: static-auth-secret)."`
	TTL        time.Duration `name:"ttl" help:"How long credentials for a TURN server are good." default:"12h"`
}

// relays reads the addresses and the secret.
func (c TurnConfig) relays() (list []xmpp.Relay, secret string, err error) {
	for _, address := range c.URLs {
		r, err := xmpp.ParseRelay(address)
		if err != nil {
			return nil, "", err
		}
		list = append(list, r)
	}
	if c.SecretFile == "" {
		if slices.ContainsFunc(c.URLs, func(address string) bool { return strings.HasPrefix(address, "turn") }) {
			return nil, "", errors.New("secret-file is needed with turn and turns")
		}
		return list, "", nil
	}
	text, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return nil, "", err
	}
	if secret = strings.TrimSpace(string(text)); secret == "" {
		return nil, "", fmt.Errorf("%s is empty", c.SecretFile)
	}
	return list, secret, nil
}

// components reads the secrets of external components, by their domains. One that has none proves itself by a certificate.
func (c XMPPConfig) components() (map[string]string, error) {
	secrets := make(map[string]string)
	for _, text := range c.Components {
		domain, file, ok := strings.Cut(text, "=")
		if validDomain(domain) != nil {
			return nil, fmt.Errorf("%q is not a domain, = and a file", text)
		}
		if !ok {
			secrets[domain] = ""
			continue
		}
		secret, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if secrets[domain] = strings.TrimSpace(string(secret)); secrets[domain] == "" {
			return nil, fmt.Errorf("%s is empty", file)
		}
	}
	return secrets, nil
}

// SIPConfig is for telephones.
type SIPConfig struct {
	IP      string   `help:"Address of this machine that telephones reach, for SIP and audio; empty means the one of the default route."`
	UDP     string   `help:"Port for SIP over UDP; empty switches it off." default:"5060"`
	TCP     string   `help:"Port for SIP over TCP; empty switches it off." default:"5060"`
	TLS     string   `help:"Port for SIP over TLS; empty switches it off." default:"5061"`
	Digests []string `help:"Digest algorithms that telephones are offered, the preferred first: MD5, SHA-256. Many telephones know only MD5, and some give up if anything else is offered." default:"MD5"`
	RTPMin  int      `help:"First UDP port for audio." default:"20000"`
	RTPMax  int      `help:"Last UDP port for audio." default:"29999"`
}

// HTTPConfig is for the admin page, REST, and what chat clients use by HTTP: WebSocket at /xmpp-websocket, BOSH at
// /http-bind, /.well-known/host-meta and uploaded files below /upload/.
type HTTPConfig struct {
	Listen string `help:"Address of the admin page, REST and chat in browsers; empty switches them off." default:":8443"`
	URL    string `help:"Address at which clients reach the HTTP server, as https://chat.example.org; empty means DOMAIN and the port of listen."`
	Plain  bool   `help:"Serve without TLS, behind a proxy on this machine or network that adds it and sets X-Forwarded-For."`
}

// UploadConfig is for files that people send one another (XEP-0363).
type UploadConfig struct {
	MaxFile int64         `help:"Largest file, in bytes; 0 switches uploads off." default:"104857600"`
	Quota   int64         `help:"Bytes of all files of one user." default:"1073741824"`
	Keep    time.Duration `help:"How long a file is kept." default:"720h"`
}

// On reports whether files can be uploaded.
func (c UploadConfig) On() bool { return c.MaxFile > 0 }

// TeamsConfig lets the server read presence from Microsoft Teams by Microsoft Graph. It is on once
// TenantID is set.
type TeamsConfig struct {
	TenantID         string        `help:"Entra tenant (directory) ID; empty switches Teams off."`
	ClientID         string        `help:"Application (client) ID with the permissions Presence.Read.All and User.Read.All."`
	ClientSecretFile string        `help:"File that holds the client secret."`
	Cloud            string        `help:"global, usgov, dod or china." default:"global" enum:"global,usgov,dod,china"`
	AuthorityHost    string        `help:"Entra's address, if not the cloud's."`
	GraphURL         string        `help:"Graph's base address, if not the cloud's."`
	CAFile           string        `help:"Certificates to trust besides the machine's, PEM."`
	Interval         time.Duration `help:"How often presence is read." default:"5s"`
	LeaveDelay       time.Duration `help:"How long a meeting must be over before the profile returns." default:"15s"`
}

// LDAPConfig says where the passwords of users with LDAP authentication are. It is on once URL is set.
type LDAPConfig struct {
	URL                string `help:"ldaps://host, or ldap://host with StartTLS; empty: users with LDAP authentication cannot sign in."`
	CAFile             string `help:"Certificates to trust besides the machine's, PEM."`
	UserDN             string `help:"Name of a user's account, as uid={login},ou=people,dc=example,dc=org. Instead of a search."`
	Base               string `help:"Where to search for the account."`
	Filter             string `help:"What the account must meet, as (uid={login})."`
	SearchDN           string `help:"Account that may search; empty searches without one."`
	SearchPasswordFile string `help:"File that holds the password of search-dn."`
}

// On reports whether there is an LDAP server.
func (c LDAPConfig) On() bool { return c.URL != "" }

// checker makes what checks passwords. It does not connect.
func (c LDAPConfig) checker() (*ldap.Checker, error) {
	var password string
	if c.SearchPasswordFile != "" {
		text, err := os.ReadFile(c.SearchPasswordFile)
		if err != nil {
			return nil, err
		}
		password = strings.TrimSpace(string(text))
	}
	if (c.SearchDN == "") != (password == "") {
		return nil, errors.New("search-dn and search-password-file go together")
	}
	return ldap.New(ldap.Config{
		URL: c.URL, CAFile: c.CAFile, UserDN: c.UserDN, Base: c.Base, Filter: c.Filter, SearchDN: c.SearchDN, Password: password,
	})
}

// On reports whether presence is read from Teams.
func (c TeamsConfig) On() bool { return c.TenantID != "" }

// Validate tells everything that is wrong, one error a setting; nil means nothing is.
func (c *Config) Validate() error {
	var problems []error
	check := func(setting string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", setting, err))
		}
	}
	check("domain", validDomain(c.Domain))
	check("database", validDatabase(c.Database))
	_, err := c.Location()
	check("time-zone", err)
	check("tls", c.TLS.validate())
	for setting, address := range map[string]string{
		"xmpp.listen-components": c.XMPP.ListenComponents, "xmpp.listen-s2s": c.S2S.Listen, "xmpp.listen-s2s-tls": c.S2S.ListenTLS, "xmpp.listen": c.XMPP.Listen, "xmpp.listen-tls": c.XMPP.ListenTLS, "http.listen": c.HTTP.Listen,
	} {
		check(setting, validAddress(address))
	}
	check("xmpp.s2s", c.S2S.validate())
	check("listeners", c.validListeners())
	for setting, list := range map[string][]string{
		"xmpp.contact-abuse": c.XMPP.ContactAbuse, "xmpp.contact-admin": c.XMPP.ContactAdmin,
		"xmpp.contact-security": c.XMPP.ContactSecurity, "xmpp.contact-support": c.XMPP.ContactSupport,
	} {
		check(setting, validContacts(list))
	}
	_, err = c.XMPP.components()
	check("xmpp.components", err)
	_, _, err = c.XMPP.Turn.relays()
	check("xmpp.turn", err)
	if c.XMPP.Turn.TTL < 0 {
		check("xmpp.turn.ttl", errors.New("must not be negative"))
	}
	if c.XMPP.Rooms != "" {
		check("xmpp.rooms", validDomain(c.XMPP.Rooms))
	}
	if c.XMPP.Rooms == c.Domain {
		check("xmpp.rooms", errors.New("must be another domain than that of the users"))
	}
	if c.XMPP.MaxStanza < 10000 { // RFC 6120 §13.12
		check("xmpp.max-stanza", errors.New("must be at least 10000 bytes"))
	}
	if c.XMPP.MaxRate < 0 {
		check("xmpp.max-rate", errors.New("must not be negative"))
	}
	if c.Retention < 0 {
		check("retention", errors.New("must not be negative"))
	}
	if c.XMPP.Archive < 0 {
		check("xmpp.archive", errors.New("must not be negative"))
	}
	if c.XMPP.ArchiveQuota < 0 {
		check("xmpp.archive-quota", errors.New("must not be negative"))
	}
	if c.XMPP.Insecure && !onLoopback(c.XMPP.Listen) {
		check("xmpp.insecure", errors.New("is only for a loopback address"))
	}
	for setting, port := range map[string]string{"sip.udp": c.SIP.UDP, "sip.tcp": c.SIP.TCP, "sip.tls": c.SIP.TLS} {
		check(setting, validPort(port))
	}
	if c.SIP.IP != "" {
		ip, err := netip.ParseAddr(c.SIP.IP)
		if err == nil && ip.IsUnspecified() {
			err = errors.New("must be one address of this machine: it is told to telephones")
		}
		check("sip.ip", err)
	}
	if c.SIP.RTPMin < 1024 || c.SIP.RTPMax > 65535 || c.SIP.RTPMax-c.SIP.RTPMin < 3 {
		check("sip.rtp-min", errors.New("rtp-min and rtp-max must span at least four ports from 1024 to 65535"))
	}
	check("sip.digests", validDigests(c.SIP.Digests))
	check("http.url", validHTTP(c.HTTP.URL))
	if c.Upload.On() && c.Upload.Quota < c.Upload.MaxFile {
		check("upload.quota", errors.New("must be at least upload.max-file"))
	}
	if c.Upload.On() && c.Upload.Keep < time.Hour {
		check("upload.keep", errors.New("must be at least 1h"))
	}
	check("teams", c.Teams.validate())
	if c.LDAP.On() {
		_, err := c.LDAP.checker()
		check("ldap", err)
	}
	return errors.Join(problems...)
}

// Location returns the time zone of users who have none of their own.
func (c *Config) Location() (*time.Location, error) { return time.LoadLocation(c.TimeZone) }

// DatabaseURL returns the database's address with its default filled in.
func (c *Config) DatabaseURL() string {
	if c.Database != "" {
		return c.Database
	}
	path, err := filepath.Abs(filepath.Join(c.Data, "rolecall.db"))
	if err != nil { // the working directory is gone; opening will say so
		path = filepath.Join(c.Data, "rolecall.db")
	}
	return "sqlite://" + path
}

func (c TLSConfig) validate() error {
	if (c.Cert == "") != (c.Key == "") {
		return errors.New("cert and key go together")
	}
	if c.Cert == "" {
		return nil
	}
	_, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	return err
}

func (c TeamsConfig) validate() error {
	if !c.On() {
		return nil
	}
	if c.ClientID == "" || c.ClientSecretFile == "" {
		return errors.New("client-id and client-secret-file are needed with tenant-id")
	}
	if _, err := c.secret(); err != nil {
		return err
	}
	if c.CAFile != "" {
		if _, err := os.ReadFile(c.CAFile); err != nil {
			return err
		}
	}
	if c.Interval < time.Second {
		return errors.New("interval must be at least 1s")
	}
	return nil
}

func (c TeamsConfig) secret() (string, error) {
	b, err := os.ReadFile(c.ClientSecretFile)
	return strings.TrimSpace(string(b)), err
}

var domainPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

func validDomain(domain string) error {
	if !domainPattern.MatchString(domain) {
		return fmt.Errorf("%q is not a domain in lower-case letters, digits, dots and dashes", domain)
	}
	return nil
}

func validDatabase(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("is not a URL") // the error would show the password
	}
	if u.Scheme != "sqlite" && u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return fmt.Errorf("%q is neither sqlite nor postgres", u.Scheme)
	}
	return nil
}

func validDigests(names []string) error {
	for _, name := range names {
		if name != "MD5" && name != "SHA-256" {
			return fmt.Errorf("%q is neither MD5 nor SHA-256", name)
		}
	}
	return nil
}

// validContacts takes addresses that a client can open.
func validContacts(list []string) error {
	for _, address := range list {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "mailto" && u.Scheme != "xmpp" && u.Scheme != "https" {
			return fmt.Errorf("%q is no mailto:, xmpp: or https: address", address)
		}
	}
	return nil
}

// validHTTP takes the address of a server as a whole, since paths below it are fixed.
func validHTTP(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be https:// and a host, with a port if need be")
	}
	return nil
}

func validAddress(address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	return validPort(port)
}

func onLoopback(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().IsLoopback()
}

func validPort(port string) error {
	if port == "" {
		return nil
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q is not a port", port)
	}
	return nil
}
