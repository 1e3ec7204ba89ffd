package sip

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// maxDatagram is the largest UDP payload over IPv4. Messages longer than the path MTU are left to IP
// fragmentation: RFC 3261 §18.1.1 asks for TCP then, which a phone registered over UDP does not serve.
const maxDatagram = 65507

// udpBuffer is the size asked of the kernel for datagrams that wait in either direction.
const udpBuffer = 4 << 20

var errTooLong = errors.New("sip: message does not fit a datagram")

// udpSocket is one listening UDP socket with one reader, so that messages keep their order.
type udpSocket struct {
	conn *net.UDPConn
	self netip.AddrPort
	edge *edge
}

func listenUDP(ctx context.Context, addr string) (*net.UDPConn, error) {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	conn := pc.(*net.UDPConn)
	// Failing to enlarge a buffer only makes bursts likelier to be dropped.
	_ = conn.SetReadBuffer(udpBuffer)
	_ = conn.SetWriteBuffer(udpBuffer)
	return conn, nil
}

// read serves the socket until it is closed.
func (u *udpSocket) read() {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// An ICMP error of an earlier datagram; the socket goes on.
			u.edge.log.warn("reading UDP failed", "cause", err)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		u.edge.datagram(bytes.Trim(buf[:n], "\x00"), udpFlow{u, from})
	}
}

// udpFlow is a peer's address seen from one of our sockets.
type udpFlow struct {
	socket *udpSocket
	to     netip.AddrPort
}

var datagrams = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// WriteMsg sends a message to the peer, whatever destination the message names.
func (f udpFlow) WriteMsg(msg sip.Message) error {
	buf := datagrams.Get().(*bytes.Buffer)
	defer datagrams.Put(buf)
	buf.Reset()
	msg.StringWrite(buf)
	if buf.Len() > maxDatagram {
		return errTooLong
	}
	_, err := f.socket.conn.WriteToUDPAddrPort(buf.Bytes(), f.to)
	return err
}

func (f udpFlow) transport() string      { return "UDP" }
func (f udpFlow) remote() netip.AddrPort { return f.to }
func (f udpFlow) local() netip.AddrPort  { return f.socket.self }
func (f udpFlow) alive() bool            { return true }
func (f udpFlow) trust()                 {}

// LocalAddr implements sip.Connection.
func (f udpFlow) LocalAddr() net.Addr { return f.socket.conn.LocalAddr() }

// Ref implements sip.Connection; the socket is not counted.
func (f udpFlow) Ref(int) int { return 1 }

// TryClose implements sip.Connection; the socket outlives its flows.
func (f udpFlow) TryClose() (int, error) { return 1, nil }

// Close implements sip.Connection; the socket outlives its flows.
func (f udpFlow) Close() error { return nil }
