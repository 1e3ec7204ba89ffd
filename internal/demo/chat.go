package demo

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"sync"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// status is what a contact's presence says.
type status struct {
	Resource string
	Show     string // empty means available; "offline" for unavailable
	Text     string
}

func (s status) String() string {
	show := s.Show
	if show == "" {
		show = "available"
	}
	if s.Text == "" {
		return show
	}
	return show + ", " + s.Text
}

// chat is one XMPP client that is online and follows its contacts' presence. It owns the goroutine that
// reads the stream.
type chat struct {
	addr    jid.JID
	conn    net.Conn
	session *xmpp.Session

	mu      sync.Mutex
	seen    map[string]map[string]status // bare address → resource → status
	changed chan struct{}                // closed and made anew with every presence
	roster  map[string]string            // bare address → groups, as shown
	done    chan error
}

// connect signs in over TLS with SCRAM and becomes available.
func connect(ctx context.Context, server string, trust *tls.Config, login, domain, password string) (*chat, error) {
	addr, err := jid.New(login, domain, "demo")
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	session, err := xmpp.NewClientSession(ctx, addr, conn,
		xmpp.StartTLS(trust),
		xmpp.SASL("", password, sasl.ScramSha256Plus, sasl.ScramSha256),
		xmpp.BindResource())
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("sign in as %s: %w", addr.Bare(), err)
	}
	c := &chat{addr: session.LocalAddr(), conn: conn, session: session, changed: make(chan struct{}),
		seen: make(map[string]map[string]status), roster: make(map[string]string), done: make(chan error, 1)}
	go func() { c.done <- session.Serve(xmpp.HandlerFunc(c.handle)) }()
	if err := c.fetchRoster(ctx); err != nil {
		c.close()
		return nil, err
	}
	if err := session.Send(ctx, stanza.Presence{}.Wrap(nil)); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *chat) close() {
	_ = c.session.Close() // says goodbye; the server may be gone already
	c.conn.Close()
}

func (c *chat) fetchRoster(ctx context.Context) error {
	var answer struct {
		XMLName xml.Name `xml:"jabber:iq:roster query"`
		Items   []struct {
			JID    string   `xml:"jid,attr"`
			Groups []string `xml:"group"`
		} `xml:"item"`
	}
	query := xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: "jabber:iq:roster", Local: "query"}})
	if err := c.session.UnmarshalIQElement(ctx, query, stanza.IQ{Type: stanza.GetIQ}, &answer); err != nil {
		return fmt.Errorf("roster of %s: %w", c.addr.Bare(), err)
	}
	for _, item := range answer.Items {
		c.roster[item.JID] = fmt.Sprint(item.Groups)
	}
	return nil
}

func (c *chat) handle(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	if start.Name.Local != "presence" {
		return nil
	}
	var p struct {
		stanza.Presence
		Show   string `xml:"show"`
		Status string `xml:"status"`
	}
	if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), t)).Decode(&p); err != nil {
		return err
	}
	s := status{Resource: p.From.Resourcepart(), Show: p.Show, Text: p.Status}
	if p.Type == stanza.UnavailablePresence {
		s.Show = "offline"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	bare := p.From.Bare().String()
	if c.seen[bare] == nil {
		c.seen[bare] = make(map[string]status)
	}
	c.seen[bare][s.Resource] = s
	close(c.changed)
	c.changed = make(chan struct{})
	return nil
}

// waitFor waits until some resource of a contact fulfills the condition.
func (c *chat) waitFor(ctx context.Context, login string, fulfilled func(status) bool) (status, error) {
	who := login + "@" + c.addr.Domainpart()
	for {
		c.mu.Lock()
		changed := c.changed
		last := c.seen[who]
		for _, s := range last {
			if fulfilled(s) {
				c.mu.Unlock()
				return s, nil
			}
		}
		text := fmt.Sprint(last)
		c.mu.Unlock()
		select {
		case <-changed:
		case err := <-c.done:
			return status{}, errors.Join(errors.New("the chat connection ended"), err)
		case <-ctx.Done():
			return status{}, fmt.Errorf("%s sees %s only as %s: %w", c.addr.Localpart(), login, text, ctx.Err())
		}
	}
}
