package sip

import (
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// The timers of finished transactions are the library's package variables. With the 32 s of RFC 3261
// each answered REGISTER over UDP would be held for that long, 1.2 GB at 4,000 a second. Five seconds
// absorb the retransmissions of a request that was answered. Should one come later all the same, an INVITE
// is recognised by [calls.invited], and doing a REGISTER twice changes nothing.
func init() {
	const held = 5 * time.Second
	sip.Timer_D, sip.Timer_J, sip.Timer_L, sip.Timer_M = held, held, held, held
	sip.Timer_I, sip.Timer_K = time.Second, time.Second
}

// maxTransactions bounds the server transactions held at a time; more requests are answered 503.
const maxTransactions = 100_000

// quiet keeps the library's own log away: it writes whole messages, with credentials in them.
var quiet = slog.New(slog.DiscardHandler)

// transactions finds the transaction of a message (RFC 3261 §17.1.3, §17.2.3).
type transactions struct {
	mu      sync.Mutex
	servers map[string]*sip.ServerTx
	clients map[string]*clientTx
}

func newTransactions() *transactions {
	return &transactions{servers: make(map[string]*sip.ServerTx), clients: make(map[string]*clientTx)}
}

// serverKey identifies the server transaction of a request, taken as if it had the method. ACK belongs
// to the transaction of its INVITE.
func serverKey(req *sip.Request, method sip.RequestMethod) string {
	if method == sip.ACK {
		method = sip.INVITE
	}
	via := req.Via()
	branch, _ := via.Params.Get("branch")
	parts := []string{string(method), strings.ToLower(via.Host), strconv.Itoa(via.Port), branch}
	if !strings.HasPrefix(branch, sip.RFC3261BranchMagicCookie) {
		// A client of RFC 2543 does not make its branch unique (RFC 3261 §17.2.3).
		from, _ := req.From().Params.Get("tag")
		parts = append(parts, req.Recipient.String(), req.CallID().Value(), from, strconv.FormatUint(uint64(req.CSeq().SeqNo), 10))
	}
	return strings.Join(parts, " ")
}

// server returns the transaction of a request, or nil.
func (t *transactions) server(key string) *sip.ServerTx {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.servers[key]
}

var errOverload = errors.New("sip: too many transactions")

// serve starts the server transaction of a request that answers on f.
func (t *transactions) serve(key string, req *sip.Request, f flow) (*sip.ServerTx, error) {
	tx := sip.NewServerTx(key, req, f, quiet)
	t.mu.Lock()
	if len(t.servers) >= maxTransactions {
		t.mu.Unlock()
		return nil, errOverload
	}
	t.servers[key] = tx
	t.mu.Unlock()
	tx.OnTerminate(func(key string, _ error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.servers, key)
	})
	return tx, tx.Init()
}

// clientTx is a request of ours that waits for its final response.
type clientTx struct {
	*sip.ClientTx
	flow  flow
	begun chan struct{} // closed when the timers run
	ack   *sip.Request  // what acknowledged a final response other than 2xx; guarded by transactions.mu
}

// request sends a request on a flow. on is called with each response in order, last with nil if the
// transaction ended without a final response; after a 2xx to INVITE it is called again with each
// retransmission. It must not block.
func (t *transactions) request(req *sip.Request, f flow, on func(*sip.Response)) (*clientTx, error) {
	key, err := sip.ClientTxKeyMake(req)
	if err != nil {
		return nil, err
	}
	req.SetTransport(f.transport())
	tx := &clientTx{ClientTx: sip.NewClientTx(key, req, f, quiet), flow: f, begun: make(chan struct{})}
	t.mu.Lock()
	t.clients[key] = tx
	t.mu.Unlock()
	tx.OnTerminate(func(key string, _ error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.clients, key)
	})
	tx.OnRetransmission(on)
	err = tx.Init()
	close(tx.begun)
	if err != nil {
		tx.Terminate()
		return nil, err
	}
	go tx.wait(on)
	return tx, nil
}

// wait hands responses on until a final one has come.
func (tx *clientTx) wait(on func(*sip.Response)) {
	for {
		select {
		case res := <-tx.Responses():
			on(res)
			if !res.IsProvisional() {
				return
			}
		case <-tx.Done():
			on(nil)
			return
		}
	}
}

// respond hands a response to its client transaction and reports whether there is one.
func (t *transactions) respond(res *sip.Response) bool {
	key, err := sip.ClientTxKeyMake(res)
	if err != nil {
		return false
	}
	t.mu.Lock()
	tx := t.clients[key]
	var again *sip.Request
	if tx != nil && tx.Origin().IsInvite() && res.StatusCode >= 300 {
		again = tx.ack
		if again == nil {
			tx.ack = ackFailure(tx.Origin(), res)
		}
	}
	t.mu.Unlock()
	switch {
	case tx == nil:
		return false
	case again != nil:
		// The library would answer a retransmission only after sleeping for T2 in our reader.
		_ = tx.flow.WriteMsg(again) // lost again, the peer retransmits again
	default:
		// Init sends first and starts its timers after; a response in between would find none to stop,
		// and Timer B would end a call that rings for longer than 32 s.
		<-tx.begun
		tx.Receive(res)
	}
	return true
}

// ackFailure acknowledges a final response other than 2xx (RFC 3261 §17.1.1.3).
func ackFailure(invite *sip.Request, res *sip.Response) *sip.Request {
	ack := sip.NewRequest(sip.ACK, *invite.Recipient.Clone())
	ack.AppendHeader(invite.Via().Clone())
	sip.CopyHeaders("Route", invite, ack)
	ack.AppendHeader(maxForwards(70))
	ack.AppendHeader(sip.HeaderClone(invite.From()))
	ack.AppendHeader(sip.HeaderClone(res.To()))
	ack.AppendHeader(sip.HeaderClone(invite.CallID()))
	ack.AppendHeader(&sip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sip.ACK})
	ack.SetBody(nil)
	return ack
}

// close ends all transactions.
func (t *transactions) close() {
	t.mu.Lock()
	var all []interface{ Terminate() }
	for _, tx := range t.servers {
		all = append(all, tx)
	}
	for _, tx := range t.clients {
		all = append(all, tx)
	}
	t.mu.Unlock()
	for _, tx := range all {
		tx.Terminate()
	}
}
