package sip

import (
	"bytes"
	"errors"
	"hash/fnv"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// maxMessage is the largest message over a stream, in bytes.
const maxMessage = 64 << 10

// core takes what has passed the edge. Its methods run in the reader's goroutine, in the order in which
// messages came, and must not block.
type core interface {
	// request takes a new request, or an ACK. Retransmissions do not come here.
	request(*request)
	// response takes a response that belongs to no transaction any more.
	response(*sip.Response)
	// flowClosed says that a stream connection has ended.
	flowClosed(flow)
}

// request is a checked request.
type request struct {
	*sip.Request
	flow flow          // where it came from
	tx   *sip.ServerTx // nil for ACK
	log  *limitedLog
}

// edge stands between the sockets and the core: it checks messages, matches them with transactions and
// answers what is malformed.
type edge struct {
	parser   *sip.Parser
	tolerant *sip.Parser // takes every header field as text, to answer what the other refuses
	tx       *transactions
	log      *limitedLog
	core     core
}

func newEdge(log *limitedLog) *edge {
	e := &edge{
		parser:   sip.NewParser(),
		tolerant: sip.NewParser(sip.WithHeadersParsers(nil)),
		tx:       newTransactions(),
		log:      log,
	}
	e.parser.MaxMessageLength, e.tolerant.MaxMessageLength = maxMessage, maxMessage
	return e
}

// datagram takes one UDP datagram.
func (e *edge) datagram(data []byte, f flow) {
	if len(bytes.TrimLeft(data, "\r\n")) == 0 {
		return // keep-alive (RFC 5626 §3.5.1 has it for streams; phones send it over UDP too)
	}
	defer e.survive(f)
	msg, err := e.parser.ParseSIP(data)
	if err != nil {
		e.unparsed(e.asText(data), err, f)
		return
	}
	e.receive(msg, f)
}

// survive keeps the server up when a message meets a fault of ours.
func (e *edge) survive(f flow) {
	if cause := recover(); cause != nil {
		e.log.warn("message made us panic", "source", f.remote(), "cause", cause, "stack", stack())
	}
}

// receive takes one message.
func (e *edge) receive(msg sip.Message, f flow) {
	defer e.survive(f)
	msg.SetTransport(f.transport())
	msg.SetSource(f.remote().String())
	switch msg := msg.(type) {
	case *sip.Request:
		e.request(msg, f)
	case *sip.Response:
		if !checkResponse(msg) {
			e.log.warn("response dropped", "source", f.remote(), "cause", "mandatory header field missing")
		} else if !e.tx.respond(msg) {
			e.core.response(msg)
		}
	}
}

func (e *edge) request(req *sip.Request, f flow) {
	if fault := checkRequest(req); fault != nil {
		e.refuse(req, fault, f)
		return
	}
	noteSource(req.Via(), f.remote())
	key := serverKey(req, req.Method)
	tx := e.tx.server(key)
	if req.Method == sip.ACK {
		if tx != nil {
			e.again(tx, req)
		}
		e.core.request(&request{Request: req, flow: f, log: e.log})
		return
	}
	if tx != nil {
		e.again(tx, req)
		return
	}
	tx, err := e.tx.serve(key, req, answerFlow(req.Via(), f))
	if err != nil {
		e.refuse(req, &fault{status: sip.StatusServiceUnavailable, reason: "Overloaded", header: [2]string{"Retry-After", "10"}}, f)
		return
	}
	e.core.request(&request{Request: req, flow: f, tx: tx, log: e.log})
}

// again hands an ACK or a retransmission to its transaction, which sends its last response again.
func (e *edge) again(tx *sip.ServerTx, req *sip.Request) {
	if err := tx.Receive(req); err != nil {
		e.log.warn("request does not fit its transaction", "method", req.Method, "cause", err)
	}
}

// noteSource writes the real source into Via where it is not what the client says (RFC 3261 §18.2.1).
func noteSource(via *sip.ViaHeader, from netip.AddrPort) {
	if host := hostOf(from); via.Host != host {
		via.Params.Add("received", host)
	}
}

// answerFlow is where responses go: back over the same connection, or over UDP to the source address
// and, if the client asks for it, the source port (RFC 3581 §4), else the port in Via (RFC 3261 §18.2.2).
func answerFlow(via *sip.ViaHeader, f flow) flow {
	u, ok := f.(udpFlow)
	if !ok || via.Params.Has("rport") {
		return f
	}
	port := via.Port
	if port == 0 {
		port = sip.DefaultUdpPort
	}
	return udpFlow{u.socket, netip.AddrPortFrom(u.to.Addr(), uint16(port))}
}

// refuse answers a faulty request without keeping state (RFC 3261 §8.2.7).
func (e *edge) refuse(req *sip.Request, fault *fault, f flow) {
	e.log.warn("request refused", "source", f.remote(), "method", req.Method, "status", fault.status, "cause", fault.reason)
	via := req.Via()
	if req.Method == sip.ACK || via == nil || via.Port > 65535 {
		return
	}
	noteSource(via, f.remote())
	res := bareResponse(req, fault)
	if err := answerFlow(via, f).WriteMsg(res); err != nil {
		e.log.warn("refusal not sent", "source", f.remote(), "cause", err)
	}
}

// bareResponse builds a response from a request that may lack anything but Via. Header fields that were
// not understood go back as they came, so that the client finds its transaction.
func bareResponse(req *sip.Request, fault *fault) *sip.Response {
	res := sip.NewResponse(fault.status, fault.reason)
	put := func(name, value string) { res.AppendHeader(sip.NewHeader(name, clean(value))) }
	put("Via", req.Via().Value())
	for _, below := range both(req, "via", "v")[1:] {
		put("Via", below)
	}
	for _, f := range [][3]string{{"From", "from", "f"}, {"To", "to", "t"}, {"Call-ID", "call-id", "i"}, {"CSeq", "cseq", "cseq"}} {
		values := both(req, f[1], f[2])
		if len(values) == 0 {
			continue
		}
		if f[0] == "To" && req.To() != nil && tagOf(req.To().Params) == "" {
			values[0] += ";tag=" + steadyTag(req)
		}
		put(f[0], values[0])
	}
	if fault.header[0] != "" {
		put(fault.header[0], fault.header[1])
	}
	put("Server", product)
	res.SetBody(nil)
	return res
}

// both returns the values of a header field under its name or its short form.
func both(req *sip.Request, name, short string) []string {
	var values []string
	for _, h := range req.Headers() {
		if strings.EqualFold(h.Name(), name) || strings.EqualFold(h.Name(), short) {
			values = append(values, h.Value())
		}
	}
	return values
}

// steadyTag is a tag for To that is the same for each retransmission, for there is no transaction that
// would remember it.
func steadyTag(req *sip.Request) string {
	h := fnv.New64a()
	h.Write([]byte(req.Via().Value() + strings.Join(both(req, "call-id", "i"), "")))
	return strconv.FormatUint(h.Sum64(), 36)
}

// asText parses a malformed datagram as far as it takes to answer it: every header field is text, and a
// request line with a broken URI is read with a stand-in. It returns nil if nothing can be made of it.
func (e *edge) asText(data []byte) sip.Message {
	line, rest, ok := bytes.Cut(data, []byte("\r\n"))
	if !ok {
		return nil
	}
	method, _, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(method) == 0 || len(method) > 32 || bytes.HasPrefix(method, []byte("SIP/")) {
		return nil
	}
	fixed := append(append(append([]byte(nil), method...), " sip:invalid SIP/2.0\r\n"...), rest...)
	msg, _, err := e.tolerant.Parse(fixed, false)
	if err != nil && msg == nil {
		return nil
	}
	return msg
}

// unparsed answers a request that the parser refused.
func (e *edge) unparsed(msg sip.Message, cause error, f flow) {
	defer e.survive(f)
	req, ok := msg.(*sip.Request)
	if !ok || req == nil || req.Via() == nil || req.Via().Params == nil {
		e.log.warn("message dropped", "source", f.remote(), "cause", cause)
		return
	}
	e.log.warn("message not understood", "source", f.remote(), "cause", cause)
	why := bad("Malformed Message")
	if errors.Is(cause, sip.ErrMessageTooLarge) {
		why = &fault{status: sip.StatusMessageTooLarge, reason: "Message Too Large"}
	}
	e.refuse(req, why, f)
}

func stack() string { return string(debug.Stack()) }

// closed is called when a stream connection has ended.
func (e *edge) closed(f flow) { e.core.flowClosed(f) }

// answer sends a response without a body. extra are header fields as name and value in turn.
func (r *request) answer(status int, reason string, extra ...string) {
	r.answerTagged("", status, reason, extra...)
}

// answerTagged is answer with our tag in To.
func (r *request) answerTagged(tag string, status int, reason string, extra ...string) {
	res := response(r.Request, status, reason, tag)
	for i := 0; i+1 < len(extra); i += 2 {
		res.AppendHeader(sip.NewHeader(extra[i], extra[i+1]))
	}
	r.respond(res)
}

// respond sends a response through the request's transaction.
func (r *request) respond(res *sip.Response) {
	if err := r.tx.Respond(res); err != nil {
		r.log.warn("response not sent", "source", r.flow.remote(), "method", r.Method, "status", res.StatusCode, "cause", err)
	}
}

// refuse answers with a fault.
func (r *request) refuse(f *fault) {
	if f.header[0] == "" {
		r.answer(f.status, f.reason)
		return
	}
	r.answer(f.status, f.reason, f.header[0], f.header[1])
}
