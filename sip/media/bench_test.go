package media

import (
	"net/netip"
	"testing"
)

// One packet through the relay and out on the other side: five system calls, of which the relay makes two.
func BenchmarkForward(b *testing.B) {
	s := newSession(b, newPool(b))
	alice, bob := newPhone(b, "127.0.0.1"), newPhone(b, "127.0.0.1")
	to := netip.AddrPortFrom(loopback, call(b, s, alice, bob)[Caller])
	packet, buf := make([]byte, 172), make([]byte, 200) // G.711, 20 ms
	b.ReportAllocs()
	for b.Loop() {
		if _, err := alice.rtp.WriteToUDPAddrPort(packet, to); err != nil {
			b.Fatal(err)
		}
		if _, _, err := bob.rtp.ReadFromUDPAddrPort(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// What the relay itself does for a packet beside the system calls.
func BenchmarkTake(b *testing.B) {
	source := netip.MustParseAddrPort("192.0.2.1:4000")
	p := newPort(newPool(b), nil, 0)
	p.set(newRemote(source, source.Addr()))
	b.ReportAllocs()
	for b.Loop() {
		if !p.take(source) {
			b.Fatal("refused")
		}
	}
}
