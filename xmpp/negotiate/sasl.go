package negotiate

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	maxGuesses  = 5  // wrong passwords on one connection (RFC 6120 §6.4.5): clients try one mechanism after the other
	maxAttempts = 10 // attempts of any kind; clients try one mechanism after the other
	maxWait     = 5 * time.Second
)

// failure is a SASL failure after which the client may try again (RFC 6120 §6.5).
type failure struct {
	condition string
	text      string
}

// Error returns the condition and the text.
func (f *failure) Error() string { return "SASL failure " + f.condition + ": " + f.text }

func refuse(condition, text string) error { return &failure{condition, text} }

var (
	// errWrong does not say whether the login or the password was wrong.
	errWrong = refuse("not-authorized", "wrong login or password")

	// errNoPassword is for the log: the client is told errWrong.
	errNoPassword = errors.New("there is no password of this account to check against")

	errTooOften = refuse("temporary-auth-failure", "too many attempts, try again later") // RFC 6120 §6.5.11
)

// refusals is what the log is told of the logins that were refused on a connection.
type refusals struct {
	count   int
	account *account // the last one
	cause   error
}

// profile is how SASL is carried in XML. A client may use another one for its next attempt.
type profile struct {
	ns    string
	begin string // name of the element that begins an attempt
	empty string // text by which a client says that its message has no bytes
}

var (
	classic    = &profile{nsSASL, "auth", "="}         // RFC 6120 §6
	extensible = &profile{nsSASL2, "authenticate", ""} // XEP-0388
)

// mechanism is a SASL mechanism. run carries it out, from the client's first message on, and returns
// what goes with the success.
type mechanism struct {
	name string
	run  func(ctx context.Context, n *negotiation, first []byte) (*identity, []byte, error)
}

// plainMechanism is PLAIN (RFC 4616).
var plainMechanism = mechanism{"PLAIN", func(ctx context.Context, n *negotiation, first []byte) (*identity, []byte, error) {
	return n.plain(ctx, first)
}}

// identity is who a client has proved to be.
type identity struct {
	login string
	user  uc.UserID
	keys  *uc.PasswordKeys // of the account when it was checked; empty if the password is kept elsewhere
	scram bool             // the password was proved by SCRAM
}

// mechanisms lists those that are offered, the strongest first.
func (n *negotiation) mechanisms() []mechanism {
	list := make([]mechanism, 0, len(scramMechanisms)+1)
	claimed := n.claimed() // XEP-0388 §2.1: what the client's address can use
	if n.encrypted() && claimed.elsewhere {
		return append(list, plainMechanism)
	}
	for _, m := range scramMechanisms {
		if claimed.hashes&m.hash.Set != 0 && (!m.plus || len(n.bindings) > 0) {
			list = append(list, m.mechanism)
		}
	}
	if n.encrypted() {
		list = append(list, plainMechanism) // RFC 6120 §13.9.4: never without TLS
	}
	return list
}

// appendMechanisms appends the names of mechanisms (RFC 6120 §6.4.1).
func appendMechanisms(b []byte, list []mechanism) []byte {
	for _, m := range list {
		b = append(b, "<mechanism>"+m.name+"</mechanism>"...)
	}
	return b
}

// refusePlainText answers those who authenticate before there is TLS (RFC 6120 §6.5.4).
func (n *negotiation) refusePlainText() error {
	if err := n.tellFailure(&failure{"encryption-required", "use TLS"}); err != nil {
		return err
	}
	return fault("policy-violation", "TLS is required")
}

// authenticate lets the client, which begins with el, try until it succeeds or has tried too often.
func (n *negotiation) authenticate(ctx context.Context, el *scan.Node) error {
	defer n.logRefusals()
	guesses := 0
	for range maxAttempts {
		err := n.attempt(ctx, el)
		var f *failure
		if !errors.As(err, &f) {
			return err
		}
		if err := n.tellFailure(f); err != nil {
			return err
		}
		if err == errWrong { //nolint:errorlint // never wrapped
			if guesses++; guesses == maxGuesses {
				break
			}
		}
		if el, err = n.gate.element(); err != nil {
			return err
		}
	}
	return fault("policy-violation", "too many attempts to log in") // RFC 6120 §6.4.5
}

// attempt carries out one authentication. A *failure lets the client try again.
func (n *negotiation) attempt(ctx context.Context, el *scan.Node) error {
	if err := n.begin(el); err != nil {
		return err
	}
	name := n.request.Attr("mechanism")
	m := n.mechanismNamed(name)
	if m == nil {
		return refuse("invalid-mechanism", "this mechanism is not offered")
	}
	first, err := n.initialResponse()
	if err != nil {
		return err
	}
	who, final, err := m.run(ctx, n, first)
	if err != nil {
		return err
	}
	if n.profile == extensible {
		if final, err = n.upgrade(ctx, who, final); err != nil {
			return err
		}
	}
	n.mechanism, n.login, n.user, n.keys = name, who.login, who.user, who.keys
	if n.profile == extensible {
		return n.succeed(ctx, final)
	}
	return n.write([]byte("<success xmlns='" + nsSASL + "'>" + base64.StdEncoding.EncodeToString(final) + "</success>"))
}

// begin takes the element that begins an attempt, and with it the profile.
func (n *negotiation) begin(el *scan.Node) error {
	switch {
	case el.NS == nsSASL:
		n.profile = classic
	case el.NS == nsSASL2 && n.encrypted():
		n.profile = extensible
	default:
		return fault("not-authorized", "log in first") // RFC 6120 §4.9.3.12
	}
	n.request = el
	return n.expect(el, n.profile.begin)
}

func (n *negotiation) mechanismNamed(name string) *mechanism {
	list := n.mechanisms()
	if n.profile == extensible {
		list = append(list, n.tokenMechanisms()...)
	}
	if at := slices.IndexFunc(list, func(m mechanism) bool { return m.name == name }); at >= 0 {
		return &list[at]
	}
	return nil
}

// expect checks that an element of the profile has the right name.
func (n *negotiation) expect(el *scan.Node, name string) error {
	switch {
	case el.Name == name:
		return nil
	case el.Name == "abort":
		return refuse("aborted", "as you like") // RFC 6120 §6.5.1
	case n.profile == extensible:
		return fault("policy-violation", "expected "+name) // XEP-0388 §2.4
	}
	return refuse("malformed-request", "expected "+name) // RFC 6120 §6.5.8
}

// initialResponse decodes what the client sent with its request; if that was nothing, the client is asked.
func (n *negotiation) initialResponse() ([]byte, error) {
	text, there := n.request.Text, n.request.Text != ""
	if n.profile == extensible {
		response := n.request.Child(nsSASL2, "initial-response")
		if there = response != nil; there {
			text = response.Text
		}
	}
	if !there {
		return n.challenge(nil)
	}
	return n.decode(text)
}

// challenge sends a challenge and returns the response.
func (n *negotiation) challenge(data []byte) ([]byte, error) {
	el, err := n.ask("<challenge xmlns='"+n.profile.ns+"'>"+base64.StdEncoding.EncodeToString(data)+"</challenge>", "response")
	if err != nil {
		return nil, err
	}
	return n.decode(el.Text)
}

// ask sends an element and returns the client's answer to it, which must have that name.
func (n *negotiation) ask(element, answer string) (*scan.Node, error) {
	if err := n.write([]byte(element)); err != nil {
		return nil, err
	}
	el, err := n.gate.element()
	if err != nil {
		return nil, err
	}
	if el.NS != n.profile.ns {
		return nil, fault("not-authorized", "log in first") // RFC 6120 §4.9.3.12
	}
	return el, n.expect(el, answer)
}

// decode decodes base64; whitespace is an error (RFC 6120 §6.4.2, XEP-0388 §2.2).
func (n *negotiation) decode(text string) ([]byte, error) {
	if text == n.profile.empty {
		return nil, nil
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, refuse("incorrect-encoding", "not base64") // RFC 6120 §6.5.6
	}
	return data, nil
}

func (n *negotiation) tellFailure(f *failure) error {
	b := []byte("<failure xmlns='" + n.profile.ns + "'><" + f.condition)
	if n.profile == extensible {
		b = append(b, " xmlns='"+nsSASL+"'"...) // XEP-0388 §2.6.2
	}
	b = append(b, "/><text xml:lang='en'>"...)
	return n.write(append(scan.AppendEscaped(b, f.text), "</text></failure>"...))
}

// permit asks the limiter whether the login may be tried, and waits as long as it says.
func (n *negotiation) permit(ctx context.Context, a *account) error {
	if n.cfg.Limiter == nil {
		return nil
	}
	wait := n.cfg.Limiter.Allow(n.addr, a.login)
	if wait <= 0 {
		return nil
	}
	if wait > maxWait {
		return n.refused(a, errTooOften)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle ends an attempt whose proof was right or wrong.
func (n *negotiation) settle(a *account, right bool) (*identity, error) {
	limiter := n.cfg.Limiter
	if !right || !a.known {
		if limiter != nil {
			limiter.Failed(n.addr, a.login)
		}
		return nil, n.refused(a, errWrong)
	}
	if limiter != nil {
		limiter.Succeeded(n.addr, a.login)
	}
	return &identity{login: a.login, user: a.user, keys: &a.keys}, nil
}

// refused notes for the log why a login is refused, and returns that.
func (n *negotiation) refused(a *account, cause error) error {
	n.refusals = refusals{n.refusals.count + 1, a, cause}
	return cause
}

// logRefusals writes one line about the logins that were refused.
func (n *negotiation) logRefusals() {
	r := &n.refusals
	if r.count == 0 {
		return
	}
	cause := r.cause
	if r.account.exists && !r.account.known {
		cause = errNoPassword
	}
	n.log().Warn("xmpp: sign-in refused", "account", r.account.name(), "address", n.addr, "attempts", r.count, "cause", cause)
}
