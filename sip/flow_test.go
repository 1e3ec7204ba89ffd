package sip

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// deadFlow leads nowhere. It checks that what is sent has no header field smuggled in.
type deadFlow struct{ t *testing.T }

func (f *deadFlow) WriteMsg(msg sip.Message) error {
	head, _, _ := strings.Cut(msg.String(), "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if strings.ContainsAny(line, "\r\n") {
			f.t.Errorf("sent a bare line end in %q", line)
		}
	}
	return nil
}

func (*deadFlow) transport() string      { return "UDP" }
func (*deadFlow) remote() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:9") }
func (*deadFlow) local() netip.AddrPort  { return netip.MustParseAddrPort("127.0.0.1:5060") }
func (*deadFlow) alive() bool            { return true }
func (*deadFlow) trust()                 {}
func (*deadFlow) LocalAddr() net.Addr    { return &net.UDPAddr{} }
func (*deadFlow) Ref(int) int            { return 1 }
func (*deadFlow) TryClose() (int, error) { return 1, nil }
func (*deadFlow) Close() error           { return nil }
