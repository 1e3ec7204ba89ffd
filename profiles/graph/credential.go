package graph

import (
	"context"
	"os"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	azureauth "github.com/microsoft/kiota-authentication-azure-go"

	"github.com/rolecall/rolecall/internal/uc"
)

// credential is azidentity's with one thing more: it can forget the token that it holds.
type credential struct {
	sign func() (azcore.TokenCredential, error)

	mu      sync.Mutex
	current azcore.TokenCredential
}

func newCredential(cfg *Config, at *place, transport policy.Transporter) (*credential, error) {
	options := azcore.ClientOptions{
		Cloud:     at.entra,
		Transport: transport,
		Retry:     policy.RetryOptions{MaxRetries: -1}, // we wait ourselves
	}
	c := &credential{sign: func() (azcore.TokenCredential, error) {
		return azidentity.NewClientSecretCredential(cfg.TenantID, cfg.ClientID, cfg.ClientSecret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: at.isolated})
	}}
	if cfg.ClientCertificateFile != "" {
		pem, err := os.ReadFile(cfg.ClientCertificateFile)
		if err != nil {
			return nil, uc.FieldError(uc.ErrInvalid, "clientCertificateFile", "reading the certificate: %v", err)
		}
		certs, key, err := azidentity.ParseCertificates(pem, nil)
		if err != nil {
			return nil, uc.FieldError(uc.ErrInvalid, "clientCertificateFile", "%s: %v", cfg.ClientCertificateFile, err)
		}
		c.sign = func() (azcore.TokenCredential, error) {
			return azidentity.NewClientCertificateCredential(cfg.TenantID, cfg.ClientID, certs, key,
				&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: at.isolated})
		}
	}
	if err := c.forget(); err != nil {
		return nil, uc.FieldError(uc.ErrInvalid, "tenantID", "%v", err)
	}
	return c, nil
}

// GetToken implements azcore.TokenCredential.
func (c *credential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.mu.Lock()
	current := c.current
	c.mu.Unlock()
	return current.GetToken(ctx, opts)
}

// forget drops the tokens held; azidentity knows no other way than to begin anew.
func (c *credential) forget() error {
	fresh, err := c.sign()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = fresh
	return nil
}

// bearer puts the token into requests. Where the SDK's own provider lets a request to a host that is
// not on its list go out without a token, bearer stops it.
type bearer struct {
	sdk authentication.AuthenticationProvider
}

func newBearer(c azcore.TokenCredential, at *place) (bearer, error) {
	sdk, err := azureauth.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(c, []string{at.scope()}, []string{at.graph.Hostname()})
	return bearer{sdk}, err
}

// AuthenticateRequest implements authentication.AuthenticationProvider.
func (b bearer) AuthenticateRequest(ctx context.Context, r *abstractions.RequestInformation, more map[string]any) error {
	if err := b.sdk.AuthenticateRequest(ctx, r, more); err != nil {
		return err
	}
	if len(r.Headers.Get("Authorization")) == 0 {
		return &failure{kind: needsAdmin, text: "no token may be sent to this host"}
	}
	return nil
}
