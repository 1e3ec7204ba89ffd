package graph

import (
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// account is what the list of users says of one of them. Enabled is nil if Microsoft did not tell.
type account struct {
	ID      string `json:"id"`
	UPN     string `json:"userPrincipalName"`
	Mail    string `json:"mail"`
	Enabled *bool  `json:"accountEnabled"`
}

// book finds accounts by what our users are called. It does not change once made.
type book struct {
	upn, mail, local map[string][]*account // lower case; local is the part of the UPN before the @
}

func newBook(accounts []account) *book {
	b := &book{upn: map[string][]*account{}, mail: map[string][]*account{}, local: map[string][]*account{}}
	for i := range accounts {
		a := &accounts[i]
		upn := strings.ToLower(a.UPN)
		local, _, _ := strings.Cut(upn, "@")
		file(b.upn, upn, a)
		file(b.mail, strings.ToLower(a.Mail), a)
		file(b.local, local, a)
	}
	return b
}

func file(index map[string][]*account, key string, a *account) {
	if key != "" {
		index[key] = append(index[key], a)
	}
}

// find returns the object id of a user's account, or why there is none. A UPN that an administrator
// gave decides alone; without it the e-mail address counts as UPN or as mail, then the login name at the
// given domain, or at any domain if none is given and only one account has it.
func (b *book) find(u *uc.User, domain string) (id, why string) {
	if u.TeamsUPN != "" {
		return pick(b.upn, u.TeamsUPN)
	}
	if u.Email != "" {
		if id, why = pick(b.upn, u.Email); id != "" {
			return id, ""
		}
		if byMail, _ := pick(b.mail, u.Email); byMail != "" {
			return byMail, ""
		}
	}
	byLogin, whyNot := b.byLogin(u.Login, domain)
	if byLogin == "" && why != "" {
		return "", why
	}
	return byLogin, whyNot
}

func (b *book) byLogin(login, domain string) (id, why string) {
	if domain != "" {
		return pick(b.upn, login+"@"+domain)
	}
	return pick(b.local, login)
}

func pick(index map[string][]*account, key string) (id, why string) {
	found := index[strings.ToLower(key)]
	switch {
	case len(found) == 0:
		return "", "no account " + key
	case len(found) > 1:
		return "", "several accounts " + key
	case found[0].Enabled != nil && !*found[0].Enabled:
		return "", "account " + found[0].UPN + " is disabled"
	}
	return strings.ToLower(found[0].ID), ""
}
