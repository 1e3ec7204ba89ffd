package negotiate_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// told is what a client is told of before it logs in.
type told struct {
	Classic    []string `xml:"urn:ietf:params:xml:ns:xmpp-sasl mechanisms>mechanism"`
	Extensible []string `xml:"urn:xmpp:sasl:2 authentication>mechanism"`
	Bindings   []struct {
		Type string `xml:"type,attr"`
	} `xml:"urn:xmpp:sasl-cb:0 sasl-channel-binding>channel-binding"`
}

// listed joins what a client was told of as XEP-0474 §5.1 has it.
func listed(mechanisms, bindings []string) string {
	slices.Sort(mechanisms)
	slices.Sort(bindings)
	list := strings.Join(mechanisms, "\x1e")
	if len(bindings) > 0 {
		list += "\x1f" + strings.Join(bindings, "\x1e")
	}
	return list
}

func TestDowngradeProtection(t *testing.T) {
	// The example of XEP-0474 §5.3.
	sum := sha1.Sum([]byte(listed([]string{"SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"}, []string{"tls-server-end-point", "tls-exporter"})))
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != "G6k/rBLDqgOhRRaCuuatSDFkJ08=" {
		t.Fatal(got)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, hidden := range []bool{false, true} {
			t.Run(fmt.Sprint(tls.VersionName(version), " without channel binding ", hidden), func(t *testing.T) {
				cfg := config()
				cfg.NoChannelBinding = hidden
				client := clientTLS()
				client.MaxVersion = version
				w, features := openTold(t, serve(t, cfg), client, header)
				var bindings []string
				for _, b := range features.Bindings {
					bindings = append(bindings, b.Type)
				}
				if len(bindings) > 0 == hidden || len(features.Classic) < 4 || len(features.Extensible) < 4 {
					t.Fatalf("told of %+v", features)
				}
				_, challenge := w.sasl(t, "auth mechanism='SCRAM-SHA-1'", "n,,n=anna,r=x")
				sum1 := sha1.Sum([]byte(listed(features.Classic, bindings)))
				checkHash(t, challenge, sum1[:])
				w.send(t, "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
				w.receive(t)
				checkHash(t, w.challenge(t, "SCRAM-SHA-256", "n,,n=anna,r=x"), hashed(listed(features.Extensible, bindings)))
			})
		}
	}
}

func hashed(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func checkHash(t *testing.T, challenge string, sum []byte) {
	t.Helper()
	_, got, _ := strings.Cut(challenge, ",h=")
	if want := base64.StdEncoding.EncodeToString(sum); got != want {
		t.Errorf("the challenge %s has not the hash %s", challenge, want)
	}
}

// challenge begins an attempt by XEP-0388.
func (w *wire) challenge(t *testing.T, mechanism, first string) string {
	t.Helper()
	w.send(t, "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='"+mechanism+"'><initial-response>"+
		base64.StdEncoding.EncodeToString([]byte(first))+"</initial-response></authenticate>")
	var c struct {
		XMLName xml.Name `xml:"urn:xmpp:sasl:2 challenge"`
		Text    string   `xml:",chardata"`
	}
	if err := xml.Unmarshal([]byte(w.receive(t)), &c); err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(c.Text)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// openTold connects and secures, and returns what the client was told of then.
func openTold(t *testing.T, s *server, cfg *tls.Config, header string) (*wire, told) {
	t.Helper()
	w := openPlain(t, s)
	w.send(t, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	w.receive(t)
	w.Conn = tls.Client(w.Conn, cfg)
	w.send(t, header)
	w.receive(t)
	var features told
	if err := xml.Unmarshal([]byte(strings.Replace(w.receive(t), "stream:features", "stream:features xmlns:stream='x'", 1)), &features); err != nil {
		t.Fatal(err)
	}
	return w, features
}

// A client that says that the server has no channel binding is believed in one case only, see decimalNonce.
func TestMisledClients(t *testing.T) {
	s := serve(t, config())
	for _, c := range []struct {
		what     string
		version  uint16
		tried    string
		nonce    string
		believed bool
	}{
		{"slixmpp 1.8", tls.VersionTLS13, "tls-unique", "8444218515250481", true},
		{"another client", tls.VersionTLS13, "tls-unique", "a444218515250481", false},
		{"long nonce", tls.VersionTLS13, "tls-unique", "844421851525048184442", false},
		{"has not tried", tls.VersionTLS13, "", "8444218515250481", false},
		{"has tried something else", tls.VersionTLS13, "tls-other", "8444218515250481", false},
		{"TLS 1.2 has tls-unique", tls.VersionTLS12, "tls-unique", "8444218515250481", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			cfg := clientTLS()
			cfg.MaxVersion = c.version
			w := openTLS(t, s, cfg)
			if c.tried != "" {
				if name, _ := w.sasl(t, "auth mechanism='SCRAM-SHA-256-PLUS'", "p="+c.tried+",,n=anna,r="+c.nonce); name == "challenge" {
					w.send(t, "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
					w.receive(t)
				}
			}
			name, _ := w.sasl(t, "auth mechanism='SCRAM-SHA-256'", "y,,n=anna,r="+c.nonce)
			if believed := name == "challenge"; believed != c.believed {
				t.Errorf("answered by %s", name)
			}
		})
	}
}
