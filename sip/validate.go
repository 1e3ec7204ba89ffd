package sip

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// fault is why a request is refused before any handler sees it.
type fault struct {
	status int
	reason string    // reason phrase; of a 400 it says what is wrong (RFC 3261 §21.4.1)
	header [2]string // a header field that the response must carry, and its value
}

func bad(reason string) *fault { return &fault{status: sip.StatusBadRequest, reason: reason} }

// once lists the header fields, with their short forms, of which a request has exactly one (RFC 3261
// §7.3.1, §8.1.1).
var once = [][2]string{{"From", "f"}, {"To", "t"}, {"Call-ID", "i"}, {"CSeq", "cseq"}, {"Max-Forwards", "max-forwards"}}

// checkRequest finds what is wrong with a request that the parser let through. It needs nothing but the
// message; nil means that handlers may rely on Via, From with a tag, To, Call-ID, CSeq and Max-Forwards.
func checkRequest(req *sip.Request) *fault {
	if f := checkMandatory(req); f != nil {
		return f
	}
	switch {
	case req.SipVersion != "SIP/2.0":
		return &fault{status: sip.StatusVersionNotSupported, reason: "SIP Version Not Supported"}
	case req.CSeq().MethodName != req.Method:
		return bad("CSeq Method Does Not Match")
	case hasControl(req):
		return bad("Control Character In Header")
	case req.Via().Port > 65535 || req.Recipient.Port > 65535:
		return bad("Port Out Of Range")
	case req.MaxForwards().Val() > 255:
		return bad("Max-Forwards Out Of Range")
	}
	return checkTarget(req)
}

func checkMandatory(req *sip.Request) *fault {
	via := req.Via()
	switch {
	case via == nil || via.Host == "" || via.Params == nil:
		return bad("Missing Or Malformed Via")
	case req.From() == nil:
		return bad("Missing Or Malformed From")
	case req.To() == nil:
		return bad("Missing Or Malformed To")
	case req.CallID() == nil:
		return bad("Missing Call-ID")
	case req.CSeq() == nil:
		return bad("Missing Or Malformed CSeq")
	case req.MaxForwards() == nil:
		return bad("Missing Or Malformed Max-Forwards")
	case tagOf(req.From().Params) == "":
		return bad("Missing From Tag")
	}
	for _, name := range once {
		if len(both(req, name[0], name[1])) > 1 {
			return bad("Repeated " + name[0])
		}
	}
	return nil
}

// hasControl finds bare line feeds and other control characters, which the parser leaves in values.
func hasControl(req *sip.Request) bool {
	for _, h := range req.Headers() {
		if strings.ContainsFunc(h.Value(), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return true
		}
	}
	return strings.ContainsFunc(req.Recipient.String(), func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// checkTarget checks what the request asks for: the scheme of the Request-URI (RFC 3261 §8.2.2.1) and
// the extensions that it requires (§8.2.2.3).
func checkTarget(req *sip.Request) *fault {
	if s := req.Recipient.Scheme; s != "sip" && s != "sips" {
		return &fault{status: 416, reason: "Unsupported URI Scheme"}
	}
	if req.Recipient.Host == "" {
		return bad("Malformed Request-URI")
	}
	if req.Method == sip.ACK || req.Method == sip.CANCEL {
		return nil
	}
	var unknown []string
	for _, tag := range append(tokens(req, "require"), tokens(req, "proxy-require")...) {
		if !slices.Contains(supported, strings.ToLower(tag)) {
			unknown = append(unknown, tag)
		}
	}
	if len(unknown) > 0 {
		return &fault{status: sip.StatusBadExtension, reason: "Bad Extension",
			header: [2]string{"Unsupported", strings.Join(unknown, ", ")}}
	}
	return nil
}

// checkBody checks that a body is what we understand (RFC 3261 §8.2.3): want is its media type.
func checkBody(req *sip.Request, want string) *fault {
	if header(req, "content-encoding") != "" && !strings.EqualFold(header(req, "content-encoding"), "identity") {
		return &fault{status: sip.StatusUnsupportedMediaType, reason: "Unsupported Media Type",
			header: [2]string{"Accept-Encoding", "identity"}}
	}
	if len(req.Body()) == 0 {
		return nil
	}
	if !isType(req, want) {
		return &fault{status: sip.StatusUnsupportedMediaType, reason: "Unsupported Media Type",
			header: [2]string{"Accept", want}}
	}
	return nil
}

// isType reports whether a message's body has the media type, parameters aside.
func isType(msg sip.Message, want string) bool {
	value := header(msg, "content-type")
	if value == "" {
		value = header(msg, "c")
	}
	mediaType, _, _ := strings.Cut(value, ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), want)
}

// checkResponse reports whether a response can be matched and used. Others are dropped: there is nobody
// to tell.
func checkResponse(res *sip.Response) bool {
	return res.SipVersion == "SIP/2.0" && res.StatusCode >= 100 && res.StatusCode < 700 &&
		res.Via() != nil && res.Via().Params != nil && res.From() != nil && res.To() != nil &&
		res.CallID() != nil && res.CSeq() != nil
}
