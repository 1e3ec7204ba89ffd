package uc

import "time"

// PushTarget is where a client wants to be told of messages while it is away (XEP-0357).
type PushTarget struct {
	User     UserID
	Service  string // address of the push service
	Node     string // by which the service knows the client
	Resource string // of the client that asked
	Options  []byte // the data form that the service wants with each notification; empty if none
	Since    time.Time
}
