package agent

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
)

// media sends µ-law silence to the other side and counts what comes back.
type media struct {
	conn     *net.UDPConn
	received atomic.Int64
	peer     atomic.Pointer[net.UDPAddr]
	stop     chan struct{}
	begin    sync.Once
	once     sync.Once
}

func newMedia() (*media, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	return &media{conn: conn, stop: make(chan struct{})}, nil
}

// describe returns the session description of this side, as offer or answer (RFC 4566).
func (m *media) describe() []byte {
	port := m.conn.LocalAddr().(*net.UDPAddr).Port
	return []byte(strings.Join([]string{
		"v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
		fmt.Sprintf("m=audio %d RTP/AVP 0 101", port),
		"a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", "a=sendrecv", "",
	}, "\r\n"))
}

// start sends to the address in the other side's description until close, or until it is started with another.
func (m *media) start(description []byte) error {
	peer, err := audioAddress(description)
	if err != nil {
		return err
	}
	m.peer.Store(peer)
	m.begin.Do(func() {
		go m.receive()
		go m.send()
	})
	return nil
}

func (m *media) close() {
	m.once.Do(func() {
		close(m.stop)
		m.conn.Close()
	})
}

func (m *media) receive() {
	buf := make([]byte, 1500)
	for {
		n, _, err := m.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		var p rtp.Packet
		if p.Unmarshal(buf[:n]) == nil {
			m.received.Add(1)
		}
	}
}

func (m *media) send() {
	const samples = 8000 * packetEvery / time.Second
	silence := make([]byte, samples)
	for i := range silence {
		silence[i] = 0xff // µ-law zero
	}
	p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: uint32(m.conn.LocalAddr().(*net.UDPAddr).Port)}, Payload: silence}
	tick := time.NewTicker(packetEvery)
	defer tick.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-tick.C:
		}
		raw, err := p.Marshal()
		if err != nil {
			return
		}
		if _, err := m.conn.WriteToUDP(raw, m.peer.Load()); err != nil {
			return
		}
		p.SequenceNumber++
		p.Timestamp += uint32(samples)
	}
}

func audioAddress(description []byte) (*net.UDPAddr, error) {
	var s sdp.SessionDescription
	if err := s.Unmarshal(description); err != nil {
		return nil, fmt.Errorf("session description: %w", err)
	}
	for _, m := range s.MediaDescriptions {
		if m.MediaName.Media != "audio" || m.MediaName.Port.Value == 0 {
			continue
		}
		c := m.ConnectionInformation
		if c == nil {
			c = s.ConnectionInformation
		}
		if c == nil || c.Address == nil {
			break
		}
		return net.ResolveUDPAddr("udp", net.JoinHostPort(c.Address.Address, fmt.Sprint(m.MediaName.Port.Value)))
	}
	return nil, errors.New("session description has no audio with an address")
}
