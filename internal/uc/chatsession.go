package uc

import "time"

// ChatSession describes the session of a chat client, for administrators.
type ChatSession struct {
	ID       uint64    `json:"id"` // lasts as long as the session
	JID      string    `json:"jid"`
	User     UserID    `json:"user"`
	Address  string    `json:"address"` // the client's, with its port
	TLS      bool      `json:"tls"`
	Since    time.Time `json:"since"`
	Online   bool      `json:"online"` // has sent presence
	Show     Show      `json:"show"`   // of that presence
	Priority int8      `json:"priority"`
	Client   string    `json:"client,omitempty"` // what the software calls itself (XEP-0115), if it says so
	Queued   int       `json:"queued"`           // bytes that the client has not taken
	Detached bool      `json:"detached"`         // has lost its connection and may come back
	Inactive bool      `json:"inactive"`         // nobody looks at the client (XEP-0352)
	Carbons  bool      `json:"carbons"`          // is copied what the user's other clients send and receive
	Managed  bool      `json:"managed"`          // acknowledges what it is sent (XEP-0198)
	LastIn   time.Time `json:"lastIn,omitzero"`  // when it last sent something
}

// StanzaDirection says who sent a stanza.
type StanzaDirection string

// The directions of a stanza.
const (
	StanzaFromClient StanzaDirection = "in"
	StanzaToClient   StanzaDirection = "out"
)

// TracedStanza is the head of a stanza that passed through a session.
type TracedStanza struct {
	Session   uint64          `json:"session"`
	JID       string          `json:"jid"`    // of the session
	Number    uint64          `json:"number"` // rises by one with each stanza of the session
	Time      time.Time       `json:"time"`
	Direction StanzaDirection `json:"direction"`
	Size      int             `json:"size"` // bytes of the whole stanza
	Name      string          `json:"name"`
	Namespace string          `json:"namespace,omitempty"` // unless it is the stream's
	Type      string          `json:"type,omitempty"`
	ID        string          `json:"id,omitempty"`
	From      string          `json:"from,omitempty"`
	To        string          `json:"to,omitempty"`
	Payload   string          `json:"payload,omitempty"` // name of the first child element
	PayloadNS string          `json:"payloadNamespace,omitempty"`
	XML       string          `json:"xml,omitempty"` // the stanza, if the server keeps bodies
}
