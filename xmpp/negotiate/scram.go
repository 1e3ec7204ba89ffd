package negotiate

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rolecall/rolecall/internal/scram"
)

// scramMechanism is SCRAM with a hash, with channel binding if plus (RFC 5802, RFC 7677).
type scramMechanism struct {
	mechanism
	hash *scram.Hash
	plus bool
}

// scramMechanisms lists them, the strongest first.
var scramMechanisms []scramMechanism

// init fills the list; what it refers to reads it.
func init() {
	for _, plus := range []bool{true, false} {
		for _, h := range scram.Hashes() {
			name := "SCRAM-" + h.Name
			if plus {
				name += "-PLUS"
			}
			run := func(ctx context.Context, n *negotiation, first []byte) (*identity, []byte, error) {
				return n.scram(ctx, h, plus, first)
			}
			scramMechanisms = append(scramMechanisms, scramMechanism{mechanism{name, run}, h, plus})
		}
	}
}

func (n *negotiation) scram(ctx context.Context, h *scram.Hash, plus bool, message []byte) (*identity, []byte, error) {
	first, err := parseClientFirst(message)
	if err != nil {
		return nil, nil, err
	}
	binding, err := n.bindingFor(first, plus)
	if err != nil {
		return nil, nil, err
	}
	a := n.account(first.login)
	if err := n.checkAuthzid(first.authzid, a); err != nil {
		return nil, nil, err
	}
	if err := n.permit(ctx, a); err != nil {
		return nil, nil, err
	}
	if a.elsewhere {
		return nil, nil, refuse("invalid-mechanism", "this account can use PLAIN only") // clients go on to the next one
	}
	keys, kept := n.keysOf(a, h)
	nonce := first.nonce + rand.Text()
	serverFirst := "r=" + nonce + ",s=" + base64.StdEncoding.EncodeToString(keys.Salt) + ",i=" + strconv.Itoa(keys.Iterations) +
		",h=" + base64.StdEncoding.EncodeToString(h.Sum([]byte(n.advertised())))
	message, err = n.challenge([]byte(serverFirst))
	if err != nil {
		return nil, nil, err
	}
	final, err := parseClientFinal(message)
	if err != nil {
		return nil, nil, err
	}
	signed := []byte(first.bare + "," + serverFirst + "," + final.withoutProof) // AuthMessage of RFC 5802 §3
	right := final.nonce == nonce &&
		bytes.Equal(final.binding, slices.Concat([]byte(first.gs2), binding)) &&
		proves(h, keys.StoredKey, signed, final.proof)
	who, err := n.settle(a, right && kept)
	if err != nil {
		return nil, nil, err
	}
	who.scram = true
	signature := h.MAC(keys.ServerKey, signed)
	return who, []byte("v=" + base64.StdEncoding.EncodeToString(signature)), nil
}

// proves reports whether the proof was made with the client's key (RFC 5802 §3).
func proves(h *scram.Hash, storedKey, signed, proof []byte) bool {
	signature := h.MAC(storedKey, signed)
	if len(proof) != len(signature) {
		return false
	}
	clientKey := make([]byte, len(proof))
	subtle.XORBytes(clientKey, proof, signature)
	return subtle.ConstantTimeCompare(h.Sum(clientKey), storedKey) == 1
}

// clientFirst is the client-first-message of RFC 5802 §7.
type clientFirst struct {
	gs2     string // header, with the comma at its end
	flag    string // n, y or p=type
	authzid string
	bare    string
	login   string
	nonce   string
}

func parseClientFirst(message []byte) (*clientFirst, error) {
	bad := refuse("malformed-request", "not a client-first-message of SCRAM")
	parts := strings.Split(string(message), ",")
	if !utf8.Valid(message) || len(parts) < 4 {
		return nil, bad
	}
	c := &clientFirst{flag: parts[0]}
	c.gs2 = parts[0] + "," + parts[1] + ","
	c.bare = string(message)[len(c.gs2):]
	if c.flag != "n" && c.flag != "y" && (!strings.HasPrefix(c.flag, "p=") || len(c.flag) == 2) {
		return nil, bad
	}
	if parts[1] != "" {
		name, ok := strings.CutPrefix(parts[1], "a=")
		if c.authzid, ok = unescapeName(name, ok); !ok {
			return nil, bad
		}
	}
	name, ok := strings.CutPrefix(parts[2], "n=") // m= in its place is an extension that we do not know
	if c.login, ok = unescapeName(name, ok); !ok {
		return nil, bad
	}
	if c.nonce, ok = strings.CutPrefix(parts[3], "r="); !ok || !printable(c.nonce) {
		return nil, bad
	}
	return c, nil
}

// unescapeName decodes a saslname, in which =2C stands for a comma and =3D for an equals sign. ok is
// false if it was, or if the name is empty or not a saslname.
func unescapeName(name string, ok bool) (string, bool) {
	plain := strings.ReplaceAll(strings.ReplaceAll(name, "=2C", ""), "=3D", "")
	if !ok || name == "" || strings.ContainsAny(plain, "=\x00") {
		return "", false
	}
	return nameUnescaper.Replace(name), true
}

var nameUnescaper = strings.NewReplacer("=2C", ",", "=3D", "=")

func printable(nonce string) bool {
	return nonce != "" && !strings.ContainsFunc(nonce, func(r rune) bool { return r < 0x21 || r > 0x7E })
}

// clientFinal is the client-final-message of RFC 5802 §7.
type clientFinal struct {
	withoutProof string
	binding      []byte
	nonce        string
	proof        []byte
}

func parseClientFinal(message []byte) (*clientFinal, error) {
	bad := refuse("malformed-request", "not a client-final-message of SCRAM")
	text := string(message)
	at := strings.LastIndex(text, ",p=")
	if at < 0 {
		return nil, bad
	}
	c := &clientFinal{withoutProof: text[:at]}
	parts := strings.Split(c.withoutProof, ",")
	if len(parts) < 2 || !strings.HasPrefix(parts[0], "c=") || !strings.HasPrefix(parts[1], "r=") {
		return nil, bad
	}
	c.nonce = parts[1][2:]
	var err error
	if c.binding, err = base64.StdEncoding.DecodeString(parts[0][2:]); err != nil {
		return nil, bad
	}
	if c.proof, err = base64.StdEncoding.DecodeString(text[at+3:]); err != nil {
		return nil, bad
	}
	return c, nil
}
