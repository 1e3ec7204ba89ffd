package media

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// Bounds of what is read as SDP.
const (
	maxSDP   = 32 << 10
	maxMedia = 32
)

// description is an SDP split into its lines (RFC 8866 §5), without line ends.
type description struct {
	session []string // v= first, up to the first m=
	media   []mediaLines
}

// mediaLines is one m= line with what belongs to it.
type mediaLines struct {
	lines []string // without the m= line
	kind  string   // audio, video, image …
	port  uint16   // 0: rejected
	rest  string   // proto and formats
	rtp   netip.AddrPort
	rtcp  netip.AddrPort
	muxed bool // a=rtcp names the RTP port itself (RFC 5761 §5.1.1)
}

// relayable reports whether the media travels over UDP: RTP in all its profiles, T.38 over UDPTL.
func (m *mediaLines) relayable() bool {
	proto, _, _ := strings.Cut(m.rest, " ")
	return strings.HasPrefix(proto, "RTP/") || strings.HasPrefix(proto, "UDP") || strings.EqualFold(proto, "udptl")
}

// secured reports whether the media is encrypted by keys that both sides have to agree on.
func (m *mediaLines) secured() bool {
	proto, _, _ := strings.Cut(m.rest, " ")
	return strings.Contains(proto, "SAVP") || strings.Contains(proto, "TLS")
}

// silence turns an m-line of an offer into one of an answer that neither sends nor receives.
func (m *mediaLines) silence() {
	m.lines = slices.DeleteFunc(m.lines, func(line string) bool {
		return slices.Contains([]string{"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"}, line)
	})
	m.lines = append(m.lines, "a=inactive")
}

func parse(sdp []byte) (*description, error) {
	if len(sdp) > maxSDP {
		return nil, uc.Errorf(uc.ErrInvalid, "SDP is longer than %d bytes", maxSDP)
	}
	d := &description{}
	// RFC 8866 §5: lines end with CRLF; a bare LF should be accepted.
	for line := range strings.SplitSeq(strings.TrimRight(string(sdp), "\r\n"), "\n") {
		if err := d.add(strings.TrimSuffix(line, "\r")); err != nil {
			return nil, err
		}
	}
	if len(d.session) == 0 || d.session[0] != "v=0" {
		return nil, uc.Errorf(uc.ErrInvalid, "SDP does not begin with v=0")
	}
	for i := range d.media {
		if err := d.locate(&d.media[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *description) add(line string) error {
	if len(line) < 2 || line[1] != '=' || strings.ContainsAny(line, "\r\x00") {
		return uc.Errorf(uc.ErrInvalid, "SDP has a line that is not <type>=<value>: %.40q", line)
	}
	if line[0] == 'm' {
		return d.addMedia(line[2:])
	}
	if n := len(d.media); n > 0 {
		d.media[n-1].lines = append(d.media[n-1].lines, line)
	} else {
		d.session = append(d.session, line)
	}
	return nil
}

// addMedia reads "audio 49170 RTP/AVP 0 8" (RFC 8866 §5.14). A number of ports ("49170/2") is not kept:
// one stream is relayed.
func (d *description) addMedia(value string) error {
	kind, rest, _ := strings.Cut(value, " ")
	ports, rest, _ := strings.Cut(rest, " ")
	_, _, formats := strings.Cut(rest, " ")
	number, _, _ := strings.Cut(ports, "/")
	port, err := strconv.ParseUint(number, 10, 16)
	switch {
	case kind == "" || !formats || err != nil:
		return uc.Errorf(uc.ErrInvalid, "SDP has an m-line that cannot be read: %.40q", value)
	case len(d.media) == maxMedia:
		return uc.Errorf(uc.ErrInvalid, "SDP has more than %d m-lines", maxMedia)
	}
	d.media = append(d.media, mediaLines{kind: kind, port: uint16(port), rest: rest})
	return nil
}

// locate works out where the media of an m-line is to be sent.
func (d *description) locate(m *mediaLines) error {
	addr, found := connection(m.lines)
	if !found {
		addr, found = connection(d.session)
	}
	if !found && m.port != 0 {
		// RFC 8866 §5.7: each media description must have one, or the session.
		return uc.Errorf(uc.ErrInvalid, "SDP names no address for its %s", m.kind)
	}
	m.rtp = netip.AddrPortFrom(addr, m.port)
	m.rtcp = netip.AddrPortFrom(addr, m.port+1)
	for _, line := range m.lines {
		if value, ok := strings.CutPrefix(line, "a=rtcp:"); ok {
			m.locateRTCP(value)
		}
	}
	return nil
}

// locateRTCP reads the value of a=rtcp, "53020" or "53020 IN IP4 126.16.64.4" (RFC 3605 §2.1).
func (m *mediaLines) locateRTCP(value string) {
	number, rest, _ := strings.Cut(value, " ")
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return
	}
	addr := m.rtp.Addr()
	if rest != "" {
		addr = address(rest)
	}
	m.rtcp = netip.AddrPortFrom(addr, uint16(port))
	m.muxed = m.rtcp.Port() == m.port
}

// connection finds the c= line. The address is invalid if it is a name or of no known type.
func connection(lines []string) (addr netip.Addr, found bool) {
	for _, line := range lines {
		if value, ok := strings.CutPrefix(line, "c="); ok {
			return address(value), true
		}
	}
	return netip.Addr{}, false
}

// address reads "IN IP4 192.0.2.1" (RFC 8866 §5.7).
func address(value string) netip.Addr {
	fields := strings.Fields(value)
	if len(fields) != 3 || fields[0] != "IN" {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(fields[2])
	if err != nil || addr.Zone() != "" || addr.IsMulticast() {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// network writes an address as c= and o= want it.
func network(ip netip.Addr) string {
	if ip.Is4() {
		return "IN IP4 " + ip.String()
	}
	return "IN IP6 " + ip.String()
}

// targets lists where a side wants its media, by m-line.
func targets(d *description, source netip.Addr) []target {
	list := make([]target, len(d.media))
	for i, m := range d.media {
		if m.port != 0 {
			list[i] = target{newRemote(m.rtp, source.Unmap()), newRemote(m.rtcp, source.Unmap())}
		}
	}
	return list
}

// rewrite returns what follows the o= line, with our address and, for each m-line, our port (0:
// rejected). Everything else stays as it came.
func (d *description) rewrite(ip netip.Addr, ports []uint16) string {
	var b strings.Builder
	for _, line := range d.session[1:] {
		if !strings.HasPrefix(line, "o=") {
			writeLine(&b, line, ip)
		}
	}
	for i, m := range d.media {
		b.WriteString("m=" + m.kind + " " + strconv.Itoa(int(ports[i])) + " " + m.rest + "\r\n")
		for _, line := range m.lines {
			if strings.HasPrefix(line, "a=rtcp:") {
				line = m.rtcpLine(ip, ports[i])
			}
			writeLine(&b, line, ip)
		}
	}
	return b.String()
}

// rtcpLine is our a=rtcp for an m-line that has one.
func (m *mediaLines) rtcpLine(ip netip.Addr, rtp uint16) string {
	port := int(rtp)
	if !m.muxed && rtp != 0 {
		port++
	}
	return "a=rtcp:" + strconv.Itoa(port) + " " + network(ip)
}

// dropped are the attributes that name addresses of the far side which the relay replaces: without them
// no ICE is negotiated (RFC 8839 §4.2.5), and nothing leads around the relay.
var dropped = []string{
	"a=candidate:", "a=remote-candidates:", "a=end-of-candidates", "a=ice-", "a=source-filter:", "a=altc:",
}

func writeLine(b *strings.Builder, line string, ip netip.Addr) {
	for _, d := range dropped {
		if strings.HasPrefix(line, d) {
			return
		}
	}
	// RFC 3264 §8.4: the unspecified address is the old way to say hold, so it is passed on.
	if value, ok := strings.CutPrefix(line, "c="); ok && !address(value).IsUnspecified() {
		line = "c=" + network(ip)
	}
	b.WriteString(line)
	b.WriteString("\r\n")
}
