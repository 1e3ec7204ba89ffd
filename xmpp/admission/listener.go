package admission

import (
	"context"
	"net"
	"net/netip"
)

// Listen returns a listener whose connections have passed the gate; the others are closed. Those from trusted addresses, as a
// proxy's, count only among all. trusted may be nil: then none are.
func (g *Gate) Listen(l net.Listener, trusted func(netip.Addr) bool) net.Listener {
	return &gated{l, g, trusted}
}

type gated struct {
	net.Listener
	gate    *Gate
	trusted func(netip.Addr) bool
}

// Accept waits for the next connection that the gate lets in.
func (l *gated) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		var place *Place
		from := AddressOf(conn)
		if !l.gate.Enter(from, func(p *Place) { place = p }) {
			conn.Close()
			continue
		}
		if l.trusted != nil && l.trusted(from) {
			place.Prove()
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			return &placedTCP{tcp, place}, nil
		}
		return &placed{conn, place}, nil
	}
}

// placed is a connection that leaves its place when it is closed.
type placed struct {
	net.Conn
	place *Place
}

// Close closes the connection and leaves the place.
func (c *placed) Close() error {
	defer c.place.Leave()
	return c.Conn.Close()
}

func (c *placed) placeOf() *Place { return c.place }

// placedTCP is placed with all that a TCP connection can do, such as sending files.
type placedTCP struct {
	*net.TCPConn
	place *Place
}

// Close closes the connection and leaves the place.
func (c *placedTCP) Close() error {
	defer c.place.Leave()
	return c.TCPConn.Close()
}

func (c *placedTCP) placeOf() *Place { return c.place }

type placeKey struct{}

// Context returns a context that knows the place of a connection of [Gate.Listen], which may lie below TLS.
// It is an http.Server's ConnContext.
func Context(ctx context.Context, conn net.Conn) context.Context {
	if below, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = below.NetConn()
	}
	if p, ok := conn.(interface{ placeOf() *Place }); ok {
		return context.WithValue(ctx, placeKey{}, p.placeOf())
	}
	return ctx
}

// Within says that the place is one of a connection that has another place already, that of [Context]: who proves who it is there does
// so here.
func (p *Place) Within(ctx context.Context) {
	p.outer, _ = ctx.Value(placeKey{}).(*Place)
}
