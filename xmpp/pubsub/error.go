package pubsub

import "mellium.im/xmpp/stanza"

// Error is an error of XEP-0060: a stanza error with a condition of its own beside it.
type Error struct {
	Told     stanza.Error
	Specific string // the condition; empty if there is none
	Feature  string // what is not there, of the condition unsupported (§4.6)
}

// Error implements error.
func (e *Error) Error() string { return string(e.Told.Condition) + " " + e.Specific }

func refuse(typ stanza.ErrorType, condition stanza.Condition, specific string) *Error {
	return &Error{Told: stanza.Error{Type: typ, Condition: condition}, Specific: specific}
}

// The errors of this package; users of the package return some of them too.
var (
	ErrClosed         = refuse(stanza.Cancel, stanza.NotAllowed, "closed-node")                     // §6.1.3.4
	ErrNeedsPresence  = refuse(stanza.Auth, stanza.NotAuthorized, "presence-subscription-required") // §6.1.3.2
	ErrNotInGroup     = refuse(stanza.Auth, stanza.NotAuthorized, "not-in-roster-group")            // §6.1.3.3
	ErrForbidden      = refuse(stanza.Auth, stanza.Forbidden, "")                                   // §7.1.3.1
	ErrNotFound       = refuse(stanza.Cancel, stanza.ItemNotFound, "")                              // §7.1.3.3
	ErrConflict       = refuse(stanza.Cancel, stanza.Conflict, "")                                  // §8.1.2
	ErrPrecondition   = refuse(stanza.Cancel, stanza.Conflict, "precondition-not-met")              // §7.1.5
	ErrNotAcceptable  = refuse(stanza.Modify, stanza.NotAcceptable, "")                             // §8.2.5
	ErrTooManyNodes   = refuse(stanza.Cancel, stanza.Conflict, "max-nodes-exceeded")                // §12.6
	ErrTooMuch        = refuse(stanza.Wait, stanza.ResourceConstraint, "")                          // §12.19
	ErrTooBig         = refuse(stanza.Modify, stanza.NotAcceptable, "payload-too-big")              // §7.1.3.4
	ErrBadPayload     = refuse(stanza.Modify, stanza.BadRequest, "invalid-payload")                 // §7.1.3.5
	ErrNeedsNode      = refuse(stanza.Modify, stanza.BadRequest, "nodeid-required")                 // §7.2.3.2
	ErrNeedsPayload   = refuse(stanza.Modify, stanza.BadRequest, "payload-required")                // §7.1.3.5
	ErrNeedsItem      = refuse(stanza.Modify, stanza.BadRequest, "item-required")                   // §7.1.3.5
	ErrInvalidJID     = refuse(stanza.Modify, stanza.BadRequest, "invalid-jid")                     // §6.1.3.1
	ErrNotSubscribed  = refuse(stanza.Cancel, stanza.UnexpectedRequest, "not-subscribed")           // §6.2.3.2
	ErrTooManyFollow  = refuse(stanza.Wait, stanza.PolicyViolation, "too-many-subscriptions")       // §6.1.3.8
	ErrUnsupported    = refuse(stanza.Cancel, stanza.FeatureNotImplemented, "unsupported")          // §4.6
	ErrInvalidOptions = refuse(stanza.Modify, stanza.BadRequest, "invalid-options")                 // §6.3.5

	// ErrNoOptions says that subscriptions have no options (§6.3.4.4).
	ErrNoOptions = &Error{stanza.Error{Type: stanza.Cancel, Condition: stanza.FeatureNotImplemented}, "unsupported", "subscription-options"}
)
