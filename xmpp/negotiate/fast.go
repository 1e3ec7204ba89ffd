package negotiate

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/scram"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// Tokens keeps the tokens with which clients log in without the password (XEP-0484).
type Tokens interface {
	// FastTokens returns the tokens of one installation of a client, a fresh one first.
	FastTokens(ctx context.Context, user uc.UserID, client string) ([]uc.FastToken, error)
	// AddFastToken keeps a fresh token in place of one that was never used.
	AddFastToken(context.Context, uc.FastToken) error
	// UseFastToken notes a login and removes the token before. It is false if the token is gone, or if
	// count is not 0 and no higher than before.
	UseFastToken(ctx context.Context, t uc.FastToken, count int64) (bool, error)
	DeleteFastToken(context.Context, uc.FastToken) error
}

const (
	tokenLife     = 21 * 24 * time.Hour // how long a client may stay away without needing the password
	tokenRotation = 24 * time.Hour      // age from which on a token is replaced when it is used
)

// hashedTokens lists the mechanisms of draft-ietf-kitten-sasl-ht, each with the channel binding that it takes; "" is none.
var hashedTokens = []struct{ name, binding string }{
	{"HT-SHA-256-EXPR", "tls-exporter"},
	{"HT-SHA-256-ENDP", "tls-server-end-point"},
	{"HT-SHA-256-NONE", ""},
}

// tokenMechanisms lists the mechanisms by which a client logs in with a token.
func (n *negotiation) tokenMechanisms() []mechanism {
	if n.cfg.Tokens == nil {
		return nil
	}
	var list []mechanism
	for _, ht := range hashedTokens {
		at := slices.IndexFunc(n.bindings, func(cb channelBinding) bool { return cb.name == ht.binding })
		if at < 0 && ht.binding != "" {
			continue
		}
		list = append(list, mechanism{ht.name, func(ctx context.Context, n *negotiation, first []byte) (*identity, []byte, error) {
			var data []byte
			if at >= 0 {
				data = n.bindings[at].data()
			}
			return n.hashedToken(ctx, ht.name, data, first)
		}})
	}
	return list
}

// appendFast tells of tokens (XEP-0484 §3.1). Early data is not taken, crypto/tls has none.
func (n *negotiation) appendFast(b []byte) []byte {
	list := n.tokenMechanisms()
	if len(list) == 0 {
		return b
	}
	return append(appendMechanisms(append(b, "<fast xmlns='"+nsFast+"'>"...), list), "</fast>"...)
}

// hashedToken carries out a mechanism of draft-ietf-kitten-sasl-ht. binding is the data of its channel binding.
func (n *negotiation) hashedToken(ctx context.Context, mechanism string, binding, message []byte) (*identity, []byte, error) {
	login, proof, ok := strings.Cut(string(message), "\x00")
	fast := n.request.Child(nsFast, "fast")
	if !ok || login == "" || fast == nil || n.agent() == "" {
		return nil, nil, refuse("malformed-request", "not a login by token") // XEP-0484 §3.4, §4.1
	}
	count, err := countOf(fast)
	if err != nil {
		return nil, nil, err
	}
	a := n.account(login)
	if err := n.permit(ctx, a); err != nil {
		return nil, nil, err
	}
	t, err := n.tokenProved(ctx, a, mechanism, binding, proof)
	if err != nil {
		return nil, nil, err
	}
	if t != nil && !time.Now().Before(t.Expires) {
		return nil, nil, refuse("credentials-expired", "log in with the password") // XEP-0484 §4.2
	}
	if t != nil && (t.Fresh || count > 0) {
		if used, err := n.cfg.Tokens.UseFastToken(ctx, *t, count); err != nil {
			return nil, nil, n.broken(err)
		} else if !used {
			t = nil
		}
	}
	who, err := n.settle(a, t != nil)
	if err != nil {
		return nil, nil, err
	}
	n.token = t
	return who, scram.SHA256.MAC(t.Key, slices.Concat([]byte("Responder"), binding)), nil
}

// countOf returns the number that the client gave its login, 0 if none; it is there to refuse copies (XEP-0484 §3.4).
func countOf(fast *scan.Node) (int64, error) {
	text, there := fast.LookupAttr("", "count")
	if !there {
		return 0, nil
	}
	count, err := strconv.ParseInt(text, 10, 64)
	if err != nil || count < 1 {
		return 0, refuse("malformed-request", "the count must be a positive number")
	}
	return count, nil
}

// tokenProved returns the token of which the client has proved that it has it, nil if none. All are
// compared, and one that nobody has if there are none.
func (n *negotiation) tokenProved(ctx context.Context, a *account, mechanism string, binding []byte, proof string) (*uc.FastToken, error) {
	list, err := n.cfg.Tokens.FastTokens(ctx, a.user, n.agent())
	if err != nil {
		return nil, n.broken(err)
	}
	nobodys, _ := n.keysOf(a, scram.SHA256)
	list = append(list, uc.FastToken{Key: nobodys.StoredKey})
	var proved *uc.FastToken
	for i, t := range list {
		want := scram.SHA256.MAC(t.Key, slices.Concat([]byte("Initiator"), binding))
		right := subtle.ConstantTimeCompare(want, []byte(proof)) == 1
		// A token is good for the mechanism that it was asked for, lest somebody in between choose a
		// weaker one, and only while the password is the same.
		if right && a.known && !a.elsewhere && t.Mechanism == mechanism && a.marked(t.Password) {
			proved = &list[i]
		}
	}
	return proved, nil
}

// passwordMark is what a token keeps of the password that it was given for: it is made of the keys that the password is
// checked with.
func (a *account) passwordMark() []byte {
	return scram.SHA256.Sum(a.keys.Of(scram.CheckedBy(a.hashes).Set).StoredKey)
}

// marked reports whether a mark is of the password. Keys for other hashes may have been added since.
func (a *account) marked(mark []byte) bool {
	return slices.ContainsFunc(scram.Hashes(), func(h *scram.Hash) bool {
		keys := a.keys.Of(h.Set)
		return len(keys.StoredKey) > 0 && subtle.ConstantTimeCompare(mark, scram.SHA256.Sum(keys.StoredKey)) == 1
	})
}

// broken refuses because the store has failed.
func (n *negotiation) broken(err error) error {
	n.log().Error("xmpp: cannot use tokens", "cause", err)
	return refuse("temporary-auth-failure", "try again later")
}

// appendToken appends a new token for a client that has asked for one, or whose own is to be replaced
// (XEP-0484 §3.3, §3.5), and removes the one that the client does not want any more (§3.6).
func (n *negotiation) appendToken(ctx context.Context, b []byte) []byte {
	name := ""
	if n.token != nil && time.Since(n.token.Issued) >= tokenRotation {
		name = n.token.Mechanism
	}
	if n.token != nil && n.unwanted() {
		name = ""
		if err := n.cfg.Tokens.DeleteFastToken(ctx, *n.token); err != nil {
			n.log().Error("xmpp: cannot remove a token", "login", n.login, "cause", err)
		}
	}
	if asked := n.request.Child(nsFast, "request-token"); asked != nil {
		name = asked.Attr("mechanism")
	}
	if !slices.ContainsFunc(n.tokenMechanisms(), func(m mechanism) bool { return m.name == name }) || n.agent() == "" {
		return b
	}
	token, expires, err := n.newToken(ctx, name)
	if err != nil {
		n.log().Error("xmpp: cannot make a token", "login", n.login, "cause", err)
		return b
	}
	return append(b, "<token xmlns='"+nsFast+"' expiry='"+expires.Format(time.RFC3339)+"' token='"+token+"'/>"...)
}

// unwanted reports whether the client wants its token to be removed.
func (n *negotiation) unwanted() bool {
	text := n.request.Child(nsFast, "fast").Attr("invalidate")
	return text == "true" || text == "1"
}

// newToken makes a token and keeps its key. It is longer than a block of SHA-256: so HMAC hashes it
// first (RFC 2104 §3), and the hash is all that must be kept.
func (n *negotiation) newToken(ctx context.Context, mechanism string) (string, time.Time, error) {
	token := rand.Text() + rand.Text() + rand.Text()
	key := sha256.Sum256([]byte(token))
	now := time.Now().UTC().Truncate(time.Second)
	a := n.account(n.login)
	if !a.known || a.elsewhere { // nobody would tell us that the password has changed
		return "", now, uc.Errorf(uc.ErrNotFound, "no password is kept for %s", n.login)
	}
	t := uc.FastToken{
		User: n.user, Client: n.agent(), Fresh: true, Mechanism: mechanism, Key: key[:], Password: a.passwordMark(),
		Issued: now, Expires: now.Add(tokenLife),
	}
	return token, t.Expires, n.cfg.Tokens.AddFastToken(ctx, t)
}
