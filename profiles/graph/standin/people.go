package standin

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
)

// User is an account of the tenant.
type User struct {
	ID      string `json:"id"` // object id; AddUser makes one if it is empty
	UPN     string `json:"userPrincipalName"`
	Mail    string `json:"mail,omitempty"`
	Enabled bool   `json:"accountEnabled"`
}

// Person is an account and what Teams says of it.
type Person struct {
	User
	Availability string `json:"availability"`
	Activity     string `json:"activity"`
	Sequence     string `json:"sequenceNumber"`
}

type person struct {
	User
	now, before shown
}

// shown is one version of a presence.
type shown struct {
	availability, activity, sequence string
}

// AddUser adds an account, offline, or replaces the one with the same object id. It returns the object id.
func (c *Cloud) AddUser(u User) string {
	if u.ID == "" {
		u.ID = newGUID()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := strings.ToLower(u.ID)
	if p := c.people[key]; p != nil {
		p.User = u
		return u.ID
	}
	p := &person{User: u, now: shown{"Offline", "Offline", c.nextSequence()}}
	p.before = p.now
	c.people[key] = p
	c.order = append(c.order, p)
	return u.ID
}

// RemoveUser deletes an account, named by object id or UPN; from then on its presence is unknown.
func (c *Cloud) RemoveUser(who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.find(who); p != nil {
		delete(c.people, strings.ToLower(p.ID))
		c.order = slices.DeleteFunc(c.order, func(o *person) bool { return o == p })
	}
}

// SetPresence changes what Teams says of an account, named by object id or UPN; its sequence number rises.
func (c *Cloud) SetPresence(who, availability, activity string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.find(who)
	if p == nil {
		return fmt.Errorf("no user %q", who)
	}
	p.before, p.now = p.now, shown{availability, activity, c.nextSequence()}
	return nil
}

// People lists all accounts with their presence, as added.
func (c *Cloud) People() []Person {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Person, 0, len(c.order))
	for _, p := range c.order {
		list = append(list, Person{p.User, p.now.availability, p.now.activity, p.now.sequence})
	}
	return list
}

func (c *Cloud) find(who string) *person {
	if p := c.people[strings.ToLower(who)]; p != nil {
		return p
	}
	for _, p := range c.order {
		if strings.EqualFold(p.UPN, who) {
			return p
		}
	}
	return nil
}

// nextSequence returns a stamp that sorts after all before it, also after those of an earlier run.
func (c *Cloud) nextSequence() string {
	c.sequence = max(c.sequence+1, time.Now().UnixNano())
	return fmt.Sprintf("%020d", c.sequence)
}

// presencesOf answers in the order of the request, which Graph does not promise. Whoever is not known
// is PresenceUnknown.
func (c *Cloud) presencesOf(ids []string, f *Fault) []map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]map[string]any, 0, len(ids))
	for _, id := range ids[min(f.Omit, len(ids)):] {
		s := shown{availability: "PresenceUnknown", activity: "PresenceUnknown"}
		if p := c.people[strings.ToLower(id)]; p != nil {
			s = p.now
			if f.Stale {
				s = p.before
			}
		}
		entry := map[string]any{
			"id":                  id,
			"availability":        s.availability,
			"activity":            s.activity,
			"statusMessage":       nil,
			"outOfOfficeSettings": map[string]any{"message": nil, "isOutOfOffice": false},
		}
		if s.sequence != "" && !f.NoSequence {
			entry["sequenceNumber"] = s.sequence
		}
		list = append(list, entry)
	}
	return list
}

// usersFrom returns one page of accounts with the selected properties, and whether there are more.
func (c *Cloud) usersFrom(from, n int, selected string) (page []map[string]any, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from = min(from, len(c.order))
	to := min(from+n, len(c.order))
	page = make([]map[string]any, 0, to-from)
	for _, p := range c.order[from:to] {
		page = append(page, properties(&p.User, selected))
	}
	return page, to < len(c.order)
}

// properties returns an account as $select asks; without it, as Graph does, accountEnabled is missing.
func properties(u *User, selected string) map[string]any {
	all := map[string]any{"id": u.ID, "userPrincipalName": u.UPN, "mail": nil, "accountEnabled": u.Enabled}
	if u.Mail != "" {
		all["mail"] = u.Mail
	}
	if selected == "" {
		selected = "id,userPrincipalName,mail"
	}
	chosen := make(map[string]any, len(all))
	for name := range strings.SplitSeq(selected, ",") {
		if v, ok := all[name]; ok {
			chosen[name] = v
		}
	}
	return chosen
}

// newGUID makes a random object id (RFC 9562 §5.4).
func newGUID() string {
	var b [16]byte
	// crypto/rand.Read never returns an error.
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
