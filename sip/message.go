package sip

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// product is what we call ourselves in Server and User-Agent.
const product = "Rolecall"

// allowed lists the methods that we take (RFC 3261 §20.5); the dispatch table is in edge.go.
const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, SUBSCRIBE, UPDATE, INFO, REFER"

// supported lists the option tags that a Require may name (RFC 3261 §20.37).
var supported = []string{"path", "outbound"}

// compact maps the header names of which the library keeps the short form (RFC 3261 §7.3.3, RFC 6665 §8.2).
var compact = map[string]string{"event": "o", "supported": "k", "refer-to": "r", "session-expires": "x",
	"content-encoding": "e", "subject": "s", "allow-events": "u"}

// header returns the value of the first header field of a name, in either form; empty if there is none.
// The name is in lower case.
func header(msg sip.Message, name string) string {
	if h := headers(msg, name); len(h) > 0 {
		return h[0]
	}
	return ""
}

// headers returns the values of all header fields of a name, in either form.
func headers(msg sip.Message, name string) []string {
	var values []string
	for _, h := range msg.GetHeaders(name) {
		values = append(values, h.Value())
	}
	if short := compact[name]; short != "" {
		for _, h := range msg.GetHeaders(short) {
			values = append(values, h.Value())
		}
	}
	return values
}

// tokens splits the values of a comma-separated header field.
func tokens(msg sip.Message, name string) []string {
	var list []string
	for _, v := range headers(msg, name) {
		for t := range strings.SplitSeq(v, ",") {
			if t = strings.TrimSpace(t); t != "" {
				list = append(list, t)
			}
		}
	}
	return list
}

func maxForwards(n uint32) *sip.MaxForwardsHeader {
	h := sip.MaxForwardsHeader(n)
	return &h
}

func callID(id string) *sip.CallIDHeader {
	h := sip.CallIDHeader(id)
	return &h
}

// tagOf returns the tag parameter of a From or To.
func tagOf(p sip.HeaderParams) string {
	tag, _ := p.Get("tag")
	return tag
}

// newTag makes a tag or Call-ID part that cannot be guessed (RFC 3261 §19.3).
func newTag() string { return sip.GenerateTagN(20) }

// response builds the response to a request. tag is ours for To; empty leaves the choice to the library.
func response(req *sip.Request, status int, reason, tag string) *sip.Response {
	res := sip.NewResponseFromRequest(req, status, reason, nil)
	if tag != "" && status != sip.StatusTrying && tagOf(req.To().Params) == "" {
		res.To().Params.Add("tag", tag)
	}
	res.AppendHeader(sip.NewHeader("Server", product))
	return res
}

// warning explains a response to people who read traces (RFC 3261 §20.43, code 399).
func warning(res *sip.Response, host, text string) {
	res.AppendHeader(sip.NewHeader("Warning", "399 "+host+" "+quoted(text)))
}

// quoted writes a text as a quoted-string (RFC 3261 §25.1).
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range clean(text) {
		if r == '"' || r == '\\' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}

// sipReason is the value of a Reason header field for a SIP status (RFC 3326 §2).
func sipReason(status int, text string) string {
	return "SIP;cause=" + strconv.Itoa(status) + ";text=" + quoted(text)
}

// displayName escapes a name for a From or To; the library adds the quotes.
func displayName(name string) string {
	q := quoted(name)
	return q[1 : len(q)-1]
}

// clean replaces what must not stand in a header: a line end in a name would begin a header of its own.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
