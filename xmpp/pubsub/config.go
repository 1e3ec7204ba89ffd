package pubsub

import (
	"slices"
	"strconv"
	"strings"
)

// Access says who may subscribe to a node and read its items (XEP-0060 §4.5).
type Access string

// The access models.
const (
	Open      Access = "open"
	Presence  Access = "presence"  // who sees the owner's presence
	Roster    Access = "roster"    // whom the owner has in one of the node's roster groups
	Whitelist Access = "whitelist" // who has an affiliation
)

// SendLast says when the last item is sent without a publication (XEP-0060 §16.4.4).
type SendLast string

// The values of SendLast.
const (
	Never        SendLast = "never"
	OnSubscribe  SendLast = "on_sub"
	OnAppearance SendLast = "on_sub_and_presence"
)

// Config is the configuration of a node.
type Config struct {
	Title         string   `json:"title,omitempty"`
	Type          string   `json:"type,omitempty"` // namespace of the payload
	Access        Access   `json:"access"`
	Groups        []string `json:"groups,omitempty"` // for Roster
	Persist       bool     `json:"persist"`
	MaxItems      int      `json:"maxItems"`
	SendLast      SendLast `json:"sendLast"`
	Payloads      bool     `json:"payloads"` // are part of a notification
	NotifyConfig  bool     `json:"notifyConfig"`
	NotifyDelete  bool     `json:"notifyDelete"`
	NotifyRetract bool     `json:"notifyRetract"`
}

// Limits bound what one owner may make the service hold.
type Limits struct {
	Nodes        int // of one owner
	Items        int // of one node; what "max" means
	Bytes        int // of all payloads of one owner, and of the IDs of the items
	Payload      int // of one item
	Name         int // of a node or item, in bytes
	Affiliations int // of one node
	Subscribers  int // of one node
}

// DefaultLimits suit personal eventing: an avatar and some hundred bookmarks fit in.
var DefaultLimits = Limits{Nodes: 100, Items: 1000, Bytes: 4 << 20, Payload: 160 << 10, Name: 1023, Affiliations: 500, Subscribers: 500}

// private are the nodes that hold what is nobody else's business (XEP-0223), also when a client that
// publishes to them forgets to say so.
var private = []string{"storage:bookmarks", "urn:xmpp:bookmarks:1"}

// Default is the configuration of a node that nobody has configured (XEP-0163 §3).
func (l Limits) Default(node string) Config {
	c := Config{
		Access: Presence, Persist: true, MaxItems: 1, SendLast: OnAppearance,
		Payloads: true, NotifyDelete: true, NotifyRetract: true,
	}
	if slices.Contains(private, node) {
		c.Access = Whitelist
	}
	if node == "urn:xmpp:bookmarks:1" {
		c.MaxItems, c.SendLast = l.Items, Never // XEP-0402 §3
	}
	return c
}

// Form is what a submitted data form says, by field.
type Form map[string][]string

// The FORM_TYPE of a node's configuration, of preconditions, and of the options of a subscription.
const (
	FormConfig    = "http://jabber.org/protocol/pubsub#node_config"
	FormOptions   = "http://jabber.org/protocol/pubsub#publish-options"
	FormSubscribe = "http://jabber.org/protocol/pubsub#subscribe_options"
)

const formType = "FORM_TYPE"

// Is reports whether the form says that it is of a type (XEP-0068 §3).
func (f Form) Is(typ string) bool { return one(f[formType]) == typ }

// Field is one field of the configuration form.
type Field struct {
	Var, Type, Label string
	Values, Options  []string
}

const prefix = "pubsub#"

// setting is one field of the form: how it is shown and how it is changed. set reports whether the
// values make sense.
type setting struct {
	name, typ, label string
	options          []string
	get              func(*Config, Limits) []string
	set              func(*Config, Limits, []string) bool
}

// settings is the form (XEP-0060 §16.4.4). Those that cannot be changed are in it too, because clients
// name them in preconditions.
var settings = []setting{
	text("title", "A short name for the node", func(c *Config) *string { return &c.Title }),
	text("type", "The namespace of the payload", func(c *Config) *string { return &c.Type }),
	choice("access_model", "Who may subscribe and read", func(c *Config) *Access { return &c.Access }, Open, Presence, Roster, Whitelist),
	{
		name: "roster_groups_allowed", typ: "text-multi", label: "Roster groups that may subscribe and read",
		get: func(c *Config, _ Limits) []string { return c.Groups },
		set: func(c *Config, l Limits, v []string) bool {
			c.Groups = slices.Clone(v)
			return len(v) <= 100 && !slices.ContainsFunc(v, func(g string) bool { return len(g) > l.Name })
		},
	},
	flag("persist_items", "Keep items", func(c *Config) *bool { return &c.Persist }),
	{
		name: "max_items", typ: "text-single", label: "How many items are kept",
		get: func(c *Config, _ Limits) []string { return []string{strconv.Itoa(c.MaxItems)} },
		set: func(c *Config, l Limits, v []string) bool {
			if one(v) == "max" { // XEP-0060 §16.4.4, #config-node-max
				c.MaxItems = l.Items
				return true
			}
			n, err := strconv.Atoi(one(v))
			c.MaxItems = n
			return err == nil && n >= 1 && n <= l.Items
		},
	},
	choice("send_last_published_item", "When the last item is sent", func(c *Config) *SendLast { return &c.SendLast }, Never, OnSubscribe, OnAppearance),
	flag("deliver_payloads", "Notifications hold the payload", func(c *Config) *bool { return &c.Payloads }),
	flag("notify_config", "Tell subscribers of a new configuration", func(c *Config) *bool { return &c.NotifyConfig }),
	flag("notify_delete", "Tell subscribers when the node is deleted", func(c *Config) *bool { return &c.NotifyDelete }),
	flag("notify_retract", "Tell subscribers when items are removed", func(c *Config) *bool { return &c.NotifyRetract }),
	fixed("publish_model", "Who may publish", "publishers"),
	fixed("deliver_notifications", "Notify subscribers", "1"),
	fixed("notification_type", "Type of the notifications", "headline"),
	fixed("purge_offline", "Purge the node when the owner goes offline", "0"),
}

func one(v []string) string {
	if len(v) == 1 {
		return strings.TrimSpace(v[0])
	}
	return ""
}

func text(name, label string, at func(*Config) *string) setting {
	return setting{
		name: name, typ: "text-single", label: label,
		get: func(c *Config, _ Limits) []string { return []string{*at(c)} },
		set: func(c *Config, l Limits, v []string) bool {
			*at(c) = one(v)
			return len(v) <= 1 && len(*at(c)) <= l.Name
		},
	}
}

func flag(name, label string, at func(*Config) *bool) setting {
	return setting{
		name: name, typ: "boolean", label: label,
		get: func(c *Config, _ Limits) []string { return []string{boolean(*at(c))} },
		set: func(c *Config, _ Limits, v []string) bool {
			*at(c) = normal(one(v)) == "1"
			return normal(one(v)) != ""
		},
	}
}

func choice[T ~string](name, label string, at func(*Config) *T, options ...T) setting {
	s := setting{
		name: name, typ: "list-single", label: label,
		get: func(c *Config, _ Limits) []string { return []string{string(*at(c))} },
		set: func(c *Config, _ Limits, v []string) bool {
			*at(c) = T(one(v))
			return slices.Contains(options, *at(c))
		},
	}
	for _, o := range options {
		s.options = append(s.options, string(o))
	}
	return s
}

// fixed is a setting with one value only.
func fixed(name, label, value string) setting {
	return setting{
		name: name, typ: "list-single", label: label, options: []string{value},
		get: func(*Config, Limits) []string { return []string{value} },
		set: func(_ *Config, _ Limits, v []string) bool { return one(v) == value || normal(one(v)) == value },
	}
}

func boolean(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// normal returns 1 or 0 for the spellings of a boolean (XEP-0004 §3.3), or "".
func normal(v string) string {
	switch v {
	case "1", "true":
		return "1"
	case "0", "false":
		return "0"
	}
	return ""
}

// Fields returns the configuration as a form.
func (c Config) Fields(l Limits) []Field {
	list := make([]Field, 0, len(settings))
	for _, s := range settings {
		list = append(list, Field{Var: prefix + s.name, Type: s.typ, Label: s.label, Values: s.get(&c, l), Options: s.options})
	}
	return list
}

// With returns the configuration as a form changes it. What the form does not name stays; fields that
// are unknown have no effect (XEP-0060 §8.2.4). A form that says that it is about something else is refused; what it
// names would be of nodes nevertheless, so one that says nothing is taken.
func (c Config) With(f Form, l Limits) (Config, error) {
	if _, typed := f[formType]; typed && !f.Is(FormConfig) && !f.Is(FormOptions) {
		return Config{}, ErrNotAcceptable
	}
	for _, s := range settings {
		if v, ok := f[prefix+s.name]; ok && !s.set(&c, l, v) {
			return Config{}, ErrNotAcceptable
		}
	}
	return c, nil
}

// Meets reports whether the configuration is as a form of preconditions says (XEP-0060 §7.1.5). A field
// that is unknown cannot be met.
func (c Config) Meets(f Form, l Limits) error {
	for name := range f {
		if name != formType && !slices.ContainsFunc(settings, func(s setting) bool { return prefix+s.name == name }) {
			return ErrPrecondition
		}
	}
	want, err := c.With(f, l)
	if err != nil || !c.equal(want) {
		return ErrPrecondition
	}
	return nil
}

func (c Config) equal(o Config) bool {
	groups := slices.Equal(slices.Sorted(slices.Values(c.Groups)), slices.Sorted(slices.Values(o.Groups)))
	for _, s := range settings {
		if s.name != "roster_groups_allowed" && !slices.Equal(s.get(&c, Limits{}), s.get(&o, Limits{})) {
			return false
		}
	}
	return groups
}
