package uc

import "time"

// ServerStream describes a stream with another XMPP server, for administrators.
type ServerStream struct {
	Domains []string        `json:"domains"` // of the other server, that the stream is for
	Local   string          `json:"local"`   // the domain here that the stream was begun with
	Begun   StreamDirection `json:"begun" doc:"in: by the other server; out: by this one."`
	Both    bool            `json:"both" doc:"Stanzas go both ways (XEP-0288), else only the way the stream was begun."`
	Proof   StreamProof     `json:"proof" doc:"How the server that began the stream has proved its domain."`
	Address string          `json:"address"` // of the other server's machine
	Since   time.Time       `json:"since"`
}

// StreamDirection says who began a stream.
type StreamDirection string

// The directions of a stream.
const (
	StreamIn  StreamDirection = "in"  // the other server
	StreamOut StreamDirection = "out" // this one
)

// StreamProof says how the server that began a stream has proved its domain to the other.
type StreamProof string

// The proofs.
const (
	ProofExternal    StreamProof = "external"    // a valid certificate, by SASL EXTERNAL (XEP-0178)
	ProofCertificate StreamProof = "certificate" // a valid certificate, by dialback without a call back (XEP-0220 §2.6)
	ProofDialback    StreamProof = "dialback"    // DNS, by dialback (XEP-0220)
)
