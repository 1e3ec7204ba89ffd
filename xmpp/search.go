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
	found := find(r.server.groups.Load().dir, wanted)
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

// find returns those whose entries hold all that is wanted, whatever its case. The first and the last name are
// looked for anywhere in the one that is displayed.
func find(dir *uc.Directory, wanted values) []*uc.User {
	fits := func(text, field string) bool {
		part := strings.ToLower(strings.Trim(wanted.one(field), "* \t\r\n")) // asterisks are a habit from elsewhere
		return strings.Contains(strings.ToLower(text), part)
	}
	var found []*uc.User
	for _, u := range dir.Users.All() {
		if !u.PhonebookHidden && fits(u.Name, "name") && fits(u.Name, "first") && fits(u.Name, "last") &&
			fits(u.Login, "nick") && fits(u.Email, "email") && fits(u.Ext, "ext") {
			found = append(found, u)
		}
	}
	slices.SortFunc(found, func(a, b *uc.User) int { return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return found[:min(len(found), maxFound)]
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
