package main

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/icholy/digest"
)

// sipMessage is what the generator reads of a SIP message.
type sipMessage struct {
	status int    // of a response
	method string // of a request, or of a response's CSeq
	seq    string // of CSeq

	callID, from, to, contact, challenge string
	via, recordRoute                     []string
}

// readSIP reads a message. What is malformed is left empty and shows as a failure.
func readSIP(text string) sipMessage {
	var m sipMessage
	head, _, _ := strings.Cut(text, "\r\n\r\n")
	first, rest, _ := strings.Cut(head, "\r\n")
	if status, ok := strings.CutPrefix(first, "SIP/2.0 "); ok {
		m.status, _ = strconv.Atoi(status[:min(3, len(status))]) // 0 is no status
	}
	for line := range strings.SplitSeq(rest, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		m.take(name, strings.TrimSpace(value))
	}
	return m
}

func (m *sipMessage) take(name, value string) {
	switch strings.ToLower(name) {
	case "via":
		m.via = append(m.via, value)
	case "record-route":
		m.recordRoute = append(m.recordRoute, value)
	case "from":
		m.from = value
	case "to":
		m.to = value
	case "call-id":
		m.callID = value
	case "cseq":
		m.seq, m.method, _ = strings.Cut(value, " ")
	case "contact":
		m.contact = value
	case "www-authenticate", "proxy-authenticate":
		if m.challenge == "" { // the first is the one that the server likes best (RFC 8760 §2.4)
			m.challenge = value
		}
	}
}

// uri returns the address between the angle brackets of a header field's value.
func uri(value string) string {
	_, value, _ = strings.Cut(value, "<")
	value, _, _ = strings.Cut(value, ">")
	return value
}

// authorization answers a challenge.
func authorization(challenge, method, uri, user, secret string) (string, error) {
	c, err := digest.ParseChallenge(challenge)
	if err != nil {
		return "", err
	}
	cred, err := digest.Digest(c, digest.Options{Method: method, URI: uri, Username: user, Password: secret, Cnonce: "0a4f113b", Count: 1})
	if err != nil {
		return "", err
	}
	return cred.String(), nil
}

// sipRequest is a request of the generator.
type sipRequest struct {
	method, uri, at string // at is our address
	branch          string
	from, to        string
	callID          string
	seq             int
	fields, body    string // fields are further header fields, each with its line end
}

func (r sipRequest) String() string {
	if r.body != "" {
		r.fields += "Content-Type: application/sdp\r\n"
	}
	return fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\n"+
		"Call-ID: %s\r\nCSeq: %d %s\r\nUser-Agent: bench\r\n%sContent-Length: %d\r\n\r\n%s",
		r.method, r.uri, r.at, r.branch, r.from, r.to, r.callID, r.seq, r.method, r.fields, len(r.body), r.body)
}

// newBranch begins with the magic cookie of RFC 3261 §8.1.1.7.
func newBranch() string { return "z9hG4bK" + rand.Text() }

// sdp is an offer, or an answer, of a phone with two codecs and DTMF. Nothing is sent to its port.
func sdp(port int) string {
	return fmt.Sprintf("v=0\r\no=- 3653 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8 0 101\r\n"+
		"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n", port)
}
