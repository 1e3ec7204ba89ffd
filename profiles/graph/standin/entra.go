package standin

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// grant is what an access token is good for.
type grant struct {
	audience string // scheme and host of Graph
	expires  time.Time
}

// SetSecret changes the client's secret. Tokens that were issued stay valid.
func (c *Cloud) SetSecret(secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secret = secret
}

func (c *Cloud) currentSecret() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secret
}

// RevokeTokens makes Graph refuse all tokens issued so far.
func (c *Cloud) RevokeTokens() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.tokens)
}

func (c *Cloud) discovery(x *exchange) {
	tenant := x.r.PathValue("tenant")
	if tenant != c.opts.TenantID {
		entraError(x, http.StatusBadRequest, "invalid_tenant", 90002, fmt.Sprintf("Tenant '%s' not found.", tenant))
		return
	}
	base := "https://" + x.r.Host + "/" + tenant
	writeJSON(x, http.StatusOK, map[string]any{
		"issuer":                                base + "/v2.0",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
	})
}

func (c *Cloud) token(x *exchange) {
	x.r.Body = http.MaxBytesReader(x.ResponseWriter, x.r.Body, 64<<10)
	if err := x.r.ParseForm(); err != nil {
		entraError(x, http.StatusBadRequest, "invalid_request", 900144, "The request body could not be read.")
		return
	}
	x.entry.Claims = x.r.PostForm.Get("claims")
	switch {
	case x.r.PathValue("tenant") != c.opts.TenantID:
		entraError(x, http.StatusBadRequest, "invalid_request", 90002, "Tenant not found.")
	case x.r.PostForm.Get("grant_type") != "client_credentials":
		entraError(x, http.StatusBadRequest, "unsupported_grant_type", 70003, "The grant type is not supported.")
	case x.r.PostForm.Get("client_id") != c.opts.ClientID:
		entraError(x, http.StatusBadRequest, "unauthorized_client", 700016, "The application was not found in the directory.")
	case !c.knows(x):
		entraError(x, http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided.")
	default:
		c.issue(x)
	}
}

// issue gives a token for the one resource asked for; MSAL may add OpenID scopes, which mean nothing here.
func (c *Cloud) issue(x *exchange) {
	scopes := strings.Fields(x.r.PostForm.Get("scope"))
	at := slices.IndexFunc(scopes, func(s string) bool { return strings.HasSuffix(s, "/.default") })
	if at < 0 {
		entraError(x, http.StatusBadRequest, "invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid.")
		return
	}
	token := rand.Text()
	c.mu.Lock()
	c.tokens[token] = grant{strings.TrimSuffix(scopes[at], "/.default"), time.Now().Add(c.opts.TokenLife)}
	c.mu.Unlock()
	life := int(c.opts.TokenLife / time.Second)
	writeJSON(x, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token})
}

// knows reports whether the client proved who it is, by its secret or by an assertion that its
// certificate signed (RFC 7523 §2.2).
func (c *Cloud) knows(x *exchange) bool {
	if assertion := x.r.PostForm.Get("client_assertion"); assertion != "" {
		return c.opts.ClientCertificate != nil && signedBy(c.opts.ClientCertificate, assertion) &&
			x.r.PostForm.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	}
	return subtle.ConstantTimeCompare([]byte(x.r.PostForm.Get("client_secret")), []byte(c.currentSecret())) == 1
}

// signedBy checks the signature of a JWT, RS256 or PS256 (RFC 7518 §3.3, §3.5).
func signedBy(cert *x509.Certificate, jwt string) bool {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	parts := strings.Split(jwt, ".")
	if !ok || len(parts) != 3 {
		return false
	}
	var header struct {
		Alg string `json:"alg"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || json.Unmarshal(raw, &header) != nil {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch header.Alg {
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	case "PS256":
		return rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, nil) == nil
	}
	return false
}

// entraError answers as Entra does (RFC 6749 §5.2, with Microsoft's numbers).
func entraError(x *exchange, status int, code string, number int, text string) {
	now := time.Now().UTC()
	writeJSON(x, status, map[string]any{
		"error":             code,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Timestamp: %s", number, text, rand.Text(), now.Format("2006-01-02 15:04:05Z")),
		"error_codes":       []int{number},
		"timestamp":         now.Format("2006-01-02 15:04:05Z"),
	})
}

func writeJSON(x *exchange, status int, v any) {
	x.Header().Set("Content-Type", "application/json; charset=utf-8")
	x.WriteHeader(status)
	// A client that went away is not told.
	_ = json.NewEncoder(x).Encode(v)
}
