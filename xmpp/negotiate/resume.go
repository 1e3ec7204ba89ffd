package negotiate

import (
	"errors"
	"strconv"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsManagement = "urn:xmpp:sm:3"

// ResumeFunc finds the session that a client which has logged in wants to go on with instead of binding a
// resource (XEP-0198 §5), and returns its resource. The client is told of the resumption by who gets the
// [Bound] connection. A [TooHigh] ends the stream; after another error the client may bind.
type ResumeFunc func(user uc.UserID, request *scan.Node) (resource string, err error)

// TooHigh says that a client claims to have handled more than it was sent (XEP-0198 §4).
type TooHigh struct{ Handled, Sent uint32 }

// Error says so.
func (e TooHigh) Error() string {
	return "the client has handled " + strconv.FormatUint(uint64(e.Handled), 10) + " of " + strconv.FormatUint(uint64(e.Sent), 10) + " stanzas"
}

// Append appends the stream error that tells the client (XEP-0198 §4).
func (e TooHigh) Append(b []byte) []byte {
	b = append(b, "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><handled-count-too-high xmlns='"+nsManagement+"' h='"...)
	b = strconv.AppendUint(b, uint64(e.Handled), 10)
	b = strconv.AppendUint(append(b, "' send-count='"...), uint64(e.Sent), 10)
	return append(b, "'/></stream:error>"...)
}

// tryResume answers a client that wants to go on with a session.
func (n *negotiation) tryResume(request *scan.Node) error {
	refusal, err := n.resume(request)
	if err != nil || refusal == nil {
		return err
	}
	return n.write(refusal)
}

// resumeInline is for a client that wants to go on with a session and says so with its request to log in.
// It comes before the binding of a resource, which is to be done if the session is not found (XEP-0198 §6.2).
func (n *negotiation) resumeInline() (refusal []byte, err error) {
	request := n.request.Child(nsManagement, "resume")
	if request == nil || n.cfg.Resume == nil {
		return nil, nil
	}
	return n.resume(request)
}

// appendResume tells that a session may be resumed by the request to log in (XEP-0198 §6.2).
func (n *negotiation) appendResume(b []byte) []byte {
	if n.cfg.Resume == nil {
		return b
	}
	return append(b, "<sm xmlns='"+nsManagement+"'/>"...)
}

// resume lets Config.Resume find the session that the client asks for. If there is none it returns what
// the client is told.
func (n *negotiation) resume(request *scan.Node) (refusal []byte, err error) {
	if request.Name != "resume" || n.cfg.Resume == nil {
		return failedManagement("unexpected-request"), nil // XEP-0198 §3: a resource comes first
	}
	resource, err := n.cfg.Resume(n.user, request)
	var tooHigh TooHigh
	switch {
	case errors.As(err, &tooHigh):
		return nil, err
	case errors.Is(err, uc.ErrInvalid):
		return failedManagement("bad-request"), nil
	case err != nil:
		return failedManagement("item-not-found"), nil //nolint:nilerr // told to the client (XEP-0198 §5)
	}
	full, err := jid.New(n.login, n.cfg.Domain, resource)
	if err != nil {
		return nil, err
	}
	n.bound = &full
	return nil, nil
}

func failedManagement(condition string) []byte {
	return []byte("<failed xmlns='" + nsManagement + "'><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
}
