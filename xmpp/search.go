package xmpp

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

const nsSearch = "jabber:iq:search"

// maxFound is how many people an answer lists; who finds more should say more.
const maxFound = 200

// searchForm is what people are looked for by (XEP-0055 §2.1, §3).
var searchForm = form{
	title:        "Phone book",
	instructions: "Fill in what you know; a part of it is enough. Empty fields find everybody.",
	fields: []field{
		{typ: "hidden", name: "FORM_TYPE", values: []string{nsSearch}},
		{typ: "text-single", name: "name", label: "Name"},
		{typ: "text-single", name: "ext", label: "Extension"},
		{typ: "text-single", name: "email", label: "E-mail"},
		{typ: "text-single", name: "nick", label: "Login"},
	},
}

// searchFields answers which fields can be searched, for clients that know no forms, too.
func (r *request) searchFields() error {
	e := newElement("query").attr("xmlns", nsSearch).text("instructions", searchForm.instructions)
	for _, name := range []string{"first", "last", "nick", "email"} {
		e.start(name).close("")
	}
	searchForm.append(e, "form")
	return r.reply(e.close("query").bytes())
}

// search answers with the people of the phone book that fit, in the order of their names, in the way that was asked
// (XEP-0055 §2.2, §3). Who has no wish to stand there is not found.
func (r *request) search() error {
	q, err := r.payload()
	if err != nil {
		return err
	}
	wanted, cancelled, isForm := readForm(q)
	if cancelled {
		return errBadRequest
	}
	if !isForm {
		wanted = make(values)
		for _, n := range q.Nodes {
			wanted[n.Name] = []string{n.Text}
		}
	}
	found := r.server.phoneBook().find(wanted)
	e := newElement("query").attr("xmlns", nsSearch).open()
	if isForm {
		r.server.foundForm(found).append(e, "result")
		return r.reply(e.close("query").bytes())
	}
	for _, u := range found {
		first, last := splitName(u.Name)
		e.start("item").attr("jid", r.server.addressOf(u)).text("first", first).text("last", last)
		e.text("nick", u.Login).text("email", u.Email).close("item")
	}
	return r.reply(e.close("query").bytes())
}

// phoneBook is what of a directory is searched. It is made when the first one searches, not for each.
type phoneBook struct {
	dir     *uc.Directory
	entries []phoneBookEntry // by name
}

// phoneBookEntry is a user with what is looked for in lower case.
type phoneBookEntry struct {
	user                    *uc.User
	name, login, email, ext string
}

// phoneBook returns that of the directory as it is now.
func (s *Server) phoneBook() *phoneBook {
	dir := s.groups.Load().dir
	if kept := s.phones.Load(); kept != nil && kept.dir == dir {
		return kept
	}
	p := newPhoneBook(dir)
	s.phones.Store(p)
	return p
}

func newPhoneBook(dir *uc.Directory) *phoneBook {
	p := &phoneBook{dir: dir}
	for _, u := range dir.Users.All() {
		if !u.PhonebookHidden {
			p.entries = append(p.entries, phoneBookEntry{u, strings.ToLower(u.Name), strings.ToLower(u.Login), strings.ToLower(u.Email), strings.ToLower(u.Ext)})
		}
	}
	slices.SortFunc(p.entries, func(a, b phoneBookEntry) int {
		return cmp.Or(strings.Compare(a.user.Name, b.user.Name), cmp.Compare(a.user.ID, b.user.ID))
	})
	return p
}

// find returns the first of those whose entries hold all that is wanted, whatever its case. The first and the last name
// are looked for anywhere in the one that is displayed.
func (p *phoneBook) find(wanted values) (found []*uc.User) {
	part := func(field string) string {
		return strings.ToLower(strings.Trim(wanted.one(field), "* \t\r\n")) // asterisks are a habit from elsewhere
	}
	name, first, last, login, email, ext := part("name"), part("first"), part("last"), part("nick"), part("email"), part("ext")
	for i := range p.entries {
		e := &p.entries[i]
		if strings.Contains(e.name, name) && strings.Contains(e.name, first) && strings.Contains(e.name, last) &&
			strings.Contains(e.login, login) && strings.Contains(e.email, email) && strings.Contains(e.ext, ext) {
			if found = append(found, e.user); len(found) == maxFound {
				break
			}
		}
	}
	return found
}

// foundForm is the answer to who has sent a form.
func (s *Server) foundForm(found []*uc.User) *form {
	f := &form{
		fields:  []field{{typ: "hidden", name: "FORM_TYPE", values: []string{nsSearch}}},
		columns: []field{{name: "jid", label: "Address", typ: "jid-single"}, {name: "name", label: "Name"}, {name: "ext", label: "Extension"}, {name: "email", label: "E-mail"}},
	}
	for _, u := range found {
		f.items = append(f.items, []string{s.addressOf(u), u.Name, u.Ext, u.Email})
	}
	return f
}

// addressOf is the address of a user.
func (s *Server) addressOf(u *uc.User) string { return u.Login + "@" + s.cfg.Domain }

// splitName takes the last word of a name as the last name.
func splitName(name string) (first, last string) {
	if i := strings.LastIndexByte(name, ' '); i >= 0 {
		return name[:i], name[i+1:]
	}
	return name, ""
}
