package graph

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/rolecall/rolecall/internal/uc"
)

// Config says how to reach Microsoft. Needed are the tenant, the client, and its secret or certificate.
type Config struct {
	TenantID              string // of Entra: the directory id or a domain
	ClientID              string // the app registration's application id
	ClientSecret          string // either this
	ClientCertificateFile string // or a PEM file with the certificate and its unencrypted private key

	// Cloud is "global" (the default), "usgov" (GCC High), "dod" or "china". It sets where Entra and
	// Graph are. As far as Microsoft documents it, presence cannot be read in China.
	Cloud         string
	AuthorityHost string // https URL of Entra in place of the cloud's own; its address is then believed unseen
	GraphURL      string // https URL of Graph in place of the cloud's own; /v1.0 is added if it has no path
	CAFile        string // PEM file with further certificate authorities, e.g. of a proxy

	// Domain completes login names to userPrincipalNames, for users with neither a TeamsUPN nor an
	// e-mail address that is known there. Empty means any domain in which only one account has the name.
	Domain   string
	Interval time.Duration // between two polls, 1 s to 1 min; 0 means 5 s

	transport http.RoundTripper // in place of the network; for tests in virtual time
}

const defaultInterval = 5 * time.Second

// clouds says where Entra and Graph are (learn.microsoft.com/graph/deployments).
var clouds = map[string]struct {
	entra cloud.Configuration
	graph string
}{
	"global": {cloud.AzurePublic, "https://graph.microsoft.com"},
	"usgov":  {cloud.AzureGovernment, "https://graph.microsoft.us"},
	"dod":    {cloud.AzureGovernment, "https://dod-graph.microsoft.us"},
	"china":  {cloud.AzureChina, "https://microsoftgraph.chinacloudapi.cn"},
}

// place is where Entra and Graph are, checked.
type place struct {
	entra    cloud.Configuration
	isolated bool     // the authority host was set by hand: nobody at Microsoft is asked about it
	graph    *url.URL // with the path of the version
}

// scope is what a token is asked for. The SDK's own default is always the global cloud's.
func (p *place) scope() string { return p.graph.Scheme + "://" + p.graph.Host + "/.default" }

// check fills in the defaults and says what is wrong.
func (c *Config) check() (*place, error) {
	if c.Interval == 0 {
		c.Interval = defaultInterval
	}
	if c.Cloud == "" {
		c.Cloud = "global"
	}
	where, known := clouds[c.Cloud]
	switch {
	case c.TenantID == "":
		return nil, uc.FieldError(uc.ErrInvalid, "tenantID", "the tenant of Microsoft 365 is missing")
	case c.ClientID == "":
		return nil, uc.FieldError(uc.ErrInvalid, "clientID", "the application id is missing")
	case c.ClientSecret == "" && c.ClientCertificateFile == "":
		return nil, uc.FieldError(uc.ErrInvalid, "clientSecret", "neither a client secret nor a client certificate is given")
	case c.ClientSecret != "" && c.ClientCertificateFile != "":
		return nil, uc.FieldError(uc.ErrInvalid, "clientCertificateFile", "both a client secret and a client certificate are given")
	case !known:
		return nil, uc.FieldError(uc.ErrInvalid, "cloud", "%q is not one of global, usgov, dod, china", c.Cloud)
	case c.Interval < time.Second || c.Interval > maxInterval:
		return nil, uc.FieldError(uc.ErrInvalid, "interval", "%v is not between 1 s and 1 min", c.Interval)
	}
	p := &place{entra: where.entra}
	if c.AuthorityHost != "" {
		u, err := secureURL("authorityHost", c.AuthorityHost)
		if err != nil {
			return nil, err
		}
		p.entra, p.isolated = cloud.Configuration{ActiveDirectoryAuthorityHost: u.String()}, true
	}
	address := where.graph
	if c.GraphURL != "" {
		address = c.GraphURL
	}
	var err error
	if p.graph, err = secureURL("graphURL", address); err != nil {
		return nil, err
	}
	if p.graph.Path == "" {
		p.graph.Path = "/v1.0"
	}
	return p, nil
}

// secureURL reads an address that tokens and secrets are sent to.
func secureURL(field, address string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, uc.FieldError(uc.ErrInvalid, field, "%q is not an https:// address", address)
	}
	return u, nil
}
