package uc

// Blocked is an address that a user has blocked.
type Blocked struct {
	User UserID
	JID  string
}

// PrivateXML is an element that a user's clients keep for themselves.
type PrivateXML struct {
	User      UserID
	Namespace string
	Name      string // local name
	XML       []byte
}
