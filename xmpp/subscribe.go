package xmpp

// The subscription states of a roster item (RFC 6121 §2.1.2.5). An item without one is no contact: it
// only remembers a request that the user has not answered, and is not shown in the roster (§3.1.3).
const (
	subNone = "none"
	subTo   = "to"
	subFrom = "from"
	subBoth = "both"
)

func hasTo(sub string) bool   { return sub == subTo || sub == subBoth }
func hasFrom(sub string) bool { return sub == subFrom || sub == subBoth }

func subscriptionOf(to, from bool) string {
	switch {
	case to && from:
		return subBoth
	case to:
		return subTo
	case from:
		return subFrom
	}
	return subNone
}

// subState is what the server keeps of a subscription on one user's side (RFC 6121 Appendix A.1).
type subState struct {
	listed     bool // the contact is in the roster
	to, from   bool
	pendingOut bool // the user has asked, the contact has not answered
	pendingIn  bool // the contact has asked, the user has not answered
	approved   bool // the user answers yes before being asked (§3.4)
}

// outcome is what the server does with a presence stanza that manages subscriptions.
type outcome struct {
	state   subState
	route   bool // outbound: pass it to the contact; inbound: deliver it to the user
	answer  string
	present bool // the other side must now be sent the user's presence, or its end
	push    bool // the user's clients are told of the contact even if nothing changed
}

// outbound is what becomes of a stanza that the user sends to a contact (RFC 6121 Appendix A.2).
func (s subState) outbound(typ string) outcome {
	o := outcome{state: s}
	switch typ {
	case "subscribe": // A.2.1
		o.route = true
		if !s.to {
			o.state.pendingOut, o.state.listed = true, true
		}
	case "unsubscribe": // A.2.2
		o.route = true
		o.state.to, o.state.pendingOut = false, false
	case "subscribed": // A.2.3
		switch {
		case s.pendingIn:
			o.route, o.present = true, true
			o.state.pendingIn, o.state.from, o.state.listed = false, true, true
		case !s.from:
			o.state.approved, o.state.listed = true, true // §3.4.2
		}
	case "unsubscribed": // A.2.4
		o.route = s.pendingIn || s.from
		o.present = s.from
		o.state.pendingIn, o.state.from, o.state.approved = false, false, false
	}
	return o
}

// inbound is what becomes of a stanza that a contact sends to the user (RFC 6121 Appendix A.3).
func (s subState) inbound(typ string) outcome {
	o := outcome{state: s}
	switch typ {
	case "subscribe": // A.3.1
		switch {
		case s.from:
			o.answer, o.present = "subscribed", true // §3.1.3: the server answers for the user
		case s.approved:
			o.answer, o.present = "subscribed", true // §3.4.2
			o.state.from = true
		case !s.pendingIn:
			o.route, o.state.pendingIn = true, true
		}
	case "unsubscribe": // A.3.2
		o.route = s.from || s.pendingIn
		o.present = s.from
		o.state.from, o.state.pendingIn = false, false
	case "subscribed": // A.3.3
		if s.pendingOut {
			o.route = true
			o.state.pendingOut, o.state.to = false, true
		}
	case "unsubscribed": // A.3.4
		o.route = s.to || s.pendingOut
		o.state.pendingOut, o.state.to = false, false
	}
	return o
}
