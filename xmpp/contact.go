package xmpp

// nsServerInfo is the type of the form that tells how to reach who runs the server (XEP-0157 §2).
const nsServerInfo = "http://jabber.org/network/serverinfo"

// Contacts are addresses of those who run the server, as URIs: mailto:, xmpp: or https: (XEP-0157).
type Contacts struct {
	Abuse, Admin, Support, Security []string
}

// contactForm tells how to reach who runs the server; nil if nobody is to be reached.
func (s *Server) contactForm() *form {
	f := &form{fields: []field{{typ: "hidden", name: "FORM_TYPE", values: []string{nsServerInfo}}}}
	for _, of := range []struct {
		name string
		list []string
	}{
		{"abuse-addresses", s.cfg.Contacts.Abuse}, {"admin-addresses", s.cfg.Contacts.Admin},
		{"security-addresses", s.cfg.Contacts.Security}, {"support-addresses", s.cfg.Contacts.Support},
	} {
		if len(of.list) > 0 {
			f.fields = append(f.fields, field{typ: "list-multi", name: of.name, values: of.list})
		}
	}
	if len(f.fields) == 1 {
		return nil
	}
	return f
}
