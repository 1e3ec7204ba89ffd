package web

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rolecall/rolecall/admin/web/form"
	"github.com/rolecall/rolecall/internal/uc"
)

// functions are what templates can call. Those that describe a field take it last, so that they chain:
// field .Form "ext" "Extension" | kind "tel" | hint "…".
var functions = template.FuncMap{
	"field":    newField,
	"hint":     func(text string, f field) field { f.Hint = text; return f },
	"kind":     func(kind string, f field) field { f.Type = kind; return f },
	"choose":   func(from []option, f field) field { f.Options = from; return f },
	"need":     func(f field) field { f.Required = true; return f },
	"auto":     func(token string, f field) field { f.Auto = token; return f },
	"like":     func(example string, f field) field { f.Placeholder = example; return f },
	"within":   func(prefix string, f field) field { f.ID = prefix + f.ID; return f },
	"silent":   func(f field) field { f.Silent = true; return f },
	"icon":     icon,
	"join":     func(glue string, list []string) string { return strings.Join(list, glue) },
	"initials": initials,
	"pair":     func(a, b any) pair { return pair{a, b} },
	"plural":   plural,
	"words":    words,
	"orNone":   orNone,
	"plus":     func(i int) int { return i + 1 }, // people count from one
}

// pair hands two values to a template that takes one.
type pair struct{ A, B any }

// field is one control of a form.
type field struct {
	Form        *form.Form
	Name, Label string
	ID          string
	Type        string
	Hint        string
	Placeholder string
	Auto        string // autocomplete token, HTML §4.10.18.7
	Required    bool
	Silent      bool // the label is for screen readers only
	Options     []option
}

// option is one choice of a select or a list of check boxes.
type option struct{ Value, Label string }

func newField(f *form.Form, name, label string) field {
	return field{Form: f, Name: name, Label: label, ID: "f-" + name, Type: "text"}
}

// Value is what the form has in this field. Passwords are never sent back.
func (f field) Value() string {
	if f.Type == "password" {
		return ""
	}
	return f.Form.Get(f.Name)
}

// Lines is what the form has in this list, one a line.
func (f field) Lines() string { return f.Form.Lines(f.Name) }

// Has reports whether a choice is taken.
func (f field) Has(value string) bool { return f.Form.Has(f.Name, value) }

// Checked reports whether a check box is on.
func (f field) Checked() bool { return f.Form.Get(f.Name) == "true" }

// Error is what is wrong with the field; empty if nothing.
func (f field) Error() string { return f.Form.Errors[f.Name] }

// Described names the elements that describe the control, for aria-describedby.
func (f field) Described() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.ID+"-hint")
	}
	if f.Error() != "" {
		ids = append(ids, f.ID+"-error")
	}
	return strings.Join(ids, " ")
}

// iconNames are the drawings in static/icons.svg that a profile can choose.
var iconNames = []string{
	"check", "minus", "users", "coffee", "home", "phone", "moon", "plane", "briefcase", "headset", "calendar", "car", "heart", "star", "video", "food",
}

// icon draws an icon by name; a text that is no name, such as an emoji, stands for itself.
func icon(name string) template.HTML {
	for _, r := range name {
		if r > utf8.RuneSelf {
			return template.HTML(`<span class="emoji" aria-hidden="true">` + template.HTMLEscapeString(name) + `</span>`)
		}
	}
	return template.HTML(fmt.Sprintf(`<svg class="icon" aria-hidden="true"><use href="/static/icons.svg?v=%s#%s"/></svg>`,
		assetVersion, template.HTMLEscapeString(name))) //nolint:gosec // escaped
}

// initials are what stands in a user's circle: of the first and the last word.
func initials(name string) string {
	parts := strings.Fields(name)
	if len(parts) == 0 {
		return "?"
	}
	first, _ := utf8.DecodeRuneInString(parts[0])
	if len(parts) == 1 {
		return strings.ToUpper(string(first))
	}
	last, _ := utf8.DecodeRuneInString(parts[len(parts)-1])
	return strings.ToUpper(string(first) + string(last))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// wordsOf are the names that pages give to values.
var wordsOf = map[any]string{
	uc.DeviceDesk: "Desk phone", uc.DeviceSoftphone: "Softphone", uc.DeviceMobile: "Mobile",
	uc.DeviceFax: "Virtual fax", uc.DeviceExternal: "External number",
	uc.ForwardNoAnswer: "no answer",
	uc.LevelSystem:     "System Administrator", uc.LevelAdmin: "Administrator", uc.LevelPBX: "PBX Manager",
	uc.LevelPhonebook: "Phonebook Manager", uc.LevelMetrics: "Metrics viewer",
	uc.AssignedSystem: "System", uc.AssignedAdmin: "Admin", uc.AssignedPersonal: "Personal",
	uc.AuthLocal: "Here (password)", uc.AuthLDAP: "External / LDAP", uc.AuthNone: "None",
	uc.VoicemailOff: "Do not use", uc.VoicemailExternal: "External calls", uc.VoicemailInternal: "Internal calls", uc.VoicemailAll: "All calls",
	uc.ForwardAlways: "always", uc.ForwardBusy: "busy", uc.ForwardUnreachable: "unreachable",
	uc.ForwardInternal: "internal", uc.ForwardExternal: "external", uc.ForwardBoth: "internal and external",
	uc.InternalBefore: "Internal, before ringing", uc.InternalAfter: "Internal, after ringing",
	uc.ExternalBefore: "External, before ringing", uc.ExternalAfter: "External, after ringing",
	uc.ShowAvailable: "Available", uc.ShowAway: "Away", uc.ShowXA: "Away for long", uc.ShowDND: "Do not disturb", uc.ShowChat: "Available", uc.ShowOffline: "Offline",
	uc.PhoneUnreachable: "No phone registered", uc.PhoneFree: "Phone free", uc.PhoneRinging: "Ringing", uc.PhoneBusy: "On the phone",
	uc.RingAll: "Ring all", uc.Linear: "Linear", uc.LongestIdle: "Longest idle", uc.FewestCalls: "Fewest calls",
	uc.RandomMember: "Random", uc.RoundRobin: "Round robin", uc.Weighted: "Weighted",
	uc.ActionFollowMe: "Change FollowMe", uc.ActionGSM: "Set GSM mode",
	uc.ActionTeamLogin: "Team login", uc.ActionTeamLogout: "Team logout",
	uc.ActionTeamPause: "Team pause", uc.ActionTeamUnpause: "Team unpause",
	uc.ActionSetWorkplace: "Set workplace", uc.ActionUnsetWorkplace: "Unset workplace",
	uc.ActionSetRedirect: "Set redirect", uc.ActionUnsetRedirect: "Unset redirect",
	uc.ActionText: "Set presence text", uc.ActionWebhook: "Call a webhook", uc.ActionMessage: "Send an XMPP message",
	uc.StreamIn: "there", uc.StreamOut: "here",
	uc.ProofExternal: "certificate", uc.ProofCertificate: "certificate (dialback)", uc.ProofDialback: "DNS (dialback)",
	uc.TriggerTimed: "Timed", uc.TriggerTeams: "Microsoft Teams meeting",
}

// words names a value as people do.
func words(v any) string {
	if w, ok := wordsOf[v]; ok {
		return w
	}
	return fmt.Sprint(v)
}

// choices makes options of values, named as people do.
func choices[T ~string](values ...T) []option {
	list := make([]option, len(values))
	for i, v := range values {
		list[i] = option{string(v), words(v)}
	}
	return list
}

// orNone puts a choice for "none" before others.
func orNone(none string, list []option) []option {
	return slices.Insert(slices.Clone(list), 0, option{"", none})
}
