package muc

import (
	"maps"
	"slices"
	"strconv"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

func defaultSettings(l *Limits, archive bool) uc.RoomSettings {
	return uc.RoomSettings{
		Public: true, OpenInvites: true, VoiceRequests: true, PrivateMessages: "anyone",
		MaxOccupants: l.Occupants, History: min(20, l.History), Logged: archive,
	}
}

// setting is one field of the configuration form (XEP-0045 §15.5.3).
type setting struct {
	typ, name, label string
	get              func(*uc.RoomSettings) []string
	set              func(s *uc.RoomSettings, list []string, l *Limits) bool // false: the value is not acceptable
	options          []string
}

var settings = []setting{
	textSetting("text-single", "muc#roomconfig_roomname", "Name of the room", 256, func(s *uc.RoomSettings) *string { return &s.Title }),
	textSetting("text-single", "muc#roomconfig_roomdesc", "Description", 2048, func(s *uc.RoomSettings) *string { return &s.Description }),
	boolSetting("muc#roomconfig_publicroom", "List the room publicly?", func(s *uc.RoomSettings) *bool { return &s.Public }),
	boolSetting("muc#roomconfig_persistentroom", "Keep the room when the last one leaves?", func(s *uc.RoomSettings) *bool { return &s.Persistent }),
	boolSetting("muc#roomconfig_membersonly", "Let only members in?", func(s *uc.RoomSettings) *bool { return &s.MembersOnly }),
	boolSetting("muc#roomconfig_allowinvites", "Let everybody invite?", func(s *uc.RoomSettings) *bool { return &s.OpenInvites }),
	textSetting("text-private", "muc#roomconfig_roomsecret", "Password", 256, func(s *uc.RoomSettings) *string { return &s.Password }),
	boolSetting("muc#roomconfig_moderatedroom", "Let only those speak who were given a voice?", func(s *uc.RoomSettings) *bool { return &s.Moderated }),
	boolSetting("muc#roomconfig_allowvoicerequests", "Let visitors ask for a voice?", func(s *uc.RoomSettings) *bool { return &s.VoiceRequests }),
	boolSetting(subjectSetting, "Let everybody change the subject?", func(s *uc.RoomSettings) *bool { return &s.OpenSubject }),
	oneSetting("list-single", "muc#roomconfig_whois", "Who sees real addresses?", func(s *uc.RoomSettings) string {
		if s.NonAnonymous {
			return "anyone"
		}
		return "moderators"
	}, func(s *uc.RoomSettings, value string, _ *Limits) bool {
		s.NonAnonymous = value == "anyone"
		return value == "anyone" || value == "moderators"
	}, "moderators", "anyone"),
	oneSetting("list-single", "muc#roomconfig_allowpm", "Who may send private messages?", func(s *uc.RoomSettings) string { return s.PrivateMessages },
		func(s *uc.RoomSettings, value string, _ *Limits) bool {
			s.PrivateMessages = value
			return slices.Contains(privateMessages, value)
		}, privateMessages...),
	{"list-multi", "muc#roomconfig_presencebroadcast", "Whose presence do others see?", func(s *uc.RoomSettings) []string {
		return slices.DeleteFunc(slices.Clone(broadcastRoles), func(role string) bool { return slices.Contains(s.Unseen, role) })
	}, func(s *uc.RoomSettings, list []string, _ *Limits) bool {
		s.Unseen = slices.DeleteFunc(slices.Clone(broadcastRoles), func(role string) bool { return slices.Contains(list, role) })
		return !slices.ContainsFunc(list, func(role string) bool { return !slices.Contains(broadcastRoles, role) })
	}, broadcastRoles},
	numberSetting("list-single", "muc#roomconfig_maxusers", "How many may be in the room?", 1, func(l *Limits) int { return l.Occupants },
		func(s *uc.RoomSettings) *int { return &s.MaxOccupants }, "10", "20", "30", "50", "100", "200", "500", "none"),
	textSetting("text-single", "muc#roomconfig_lang", "Language of the conversation", 35, func(s *uc.RoomSettings) *string { return &s.Lang }),
	textSetting("text-single", pubsubSetting, "Address of a node that belongs to the room", 1024, func(s *uc.RoomSettings) *string { return &s.Pubsub }),
	numberSetting("text-single", "muc#maxhistoryfetch", "How many messages may newcomers be sent?", 0, func(l *Limits) int { return l.History }, func(s *uc.RoomSettings) *int { return &s.History }),
	boolSetting(loggingSetting, "Keep what is said, for everybody who may enter to read again?", func(s *uc.RoomSettings) *bool { return &s.Logged }),
}

var (
	privateMessages = []string{"anyone", "participants", "moderators", "none"}
	broadcastRoles  = []string{moderator.String(), participant.String(), visitor.String()}
)

// oneSetting has one value; a field without any is an empty one.
func oneSetting(typ, name, label string, get func(*uc.RoomSettings) string, set func(s *uc.RoomSettings, value string, l *Limits) bool, options ...string) setting {
	return setting{typ, name, label, func(s *uc.RoomSettings) []string { return []string{get(s)} },
		func(s *uc.RoomSettings, list []string, l *Limits) bool {
			value := ""
			if len(list) > 0 {
				value = list[0]
			}
			return len(list) <= 1 && set(s, value, l)
		}, options}
}

func boolSetting(name, label string, at func(*uc.RoomSettings) *bool) setting {
	return oneSetting("boolean", name, label, func(s *uc.RoomSettings) string {
		if *at(s) {
			return "1"
		}
		return "0"
	}, func(s *uc.RoomSettings, value string, _ *Limits) bool {
		*at(s) = isTrue(value)
		return isTrue(value) || value == "0" || value == "false"
	})
}

func textSetting(typ, name, label string, limit int, at func(*uc.RoomSettings) *string) setting {
	return oneSetting(typ, name, label, func(s *uc.RoomSettings) string { return *at(s) },
		func(s *uc.RoomSettings, value string, _ *Limits) bool {
			*at(s) = value
			return len(value) <= limit
		})
}

// numberSetting is a number between least and what the server allows; empty or "none" is that.
func numberSetting(typ, name, label string, least int, most func(*Limits) int, at func(*uc.RoomSettings) *int, options ...string) setting {
	return oneSetting(typ, name, label, func(s *uc.RoomSettings) string { return strconv.Itoa(*at(s)) },
		func(s *uc.RoomSettings, value string, l *Limits) bool {
			if value == "" || value == "none" {
				*at(s) = most(l)
				return true
			}
			n, err := strconv.Atoi(value)
			*at(s) = n
			return err == nil && n >= least && n <= most(l)
		}, options...)
}

// choices lists the options of a field that has the values: those that would be accepted, and what is set if that is none of them.
func (s *setting) choices(values []string, now uc.RoomSettings, l *Limits) []string {
	if s.options == nil {
		return nil
	}
	list := slices.DeleteFunc(slices.Clone(s.options), func(o string) bool { return !s.set(&now, []string{o}, l) })
	for _, value := range values {
		if !slices.Contains(list, value) {
			list = slices.Insert(list, 0, value)
		}
	}
	return list
}

// loggingSetting is only there if there is an archive.
const loggingSetting = "muc#roomconfig_enablelogging"

// Further fields that are treated on their own or shown elsewhere, too.
const (
	subjectSetting = "muc#roomconfig_changesubject"
	pubsubSetting  = "muc#roomconfig_pubsub"
	adminsSetting  = "muc#roomconfig_roomadmins"
	ownersSetting  = "muc#roomconfig_roomowners"
)

const passwordProtected = "muc#roomconfig_passwordprotectedroom"

// configForm shows the settings to an owner (§10.2).
func (r *Room) configForm() *scan.Node {
	form := with(elem(nsForms, "x", "type", "form"),
		text(nsForms, "title", "Configuration of "+r.address),
		field("hidden", "FORM_TYPE", "", formConfig))
	for _, s := range settings {
		if s.name == "muc#roomconfig_roomsecret" {
			protected := "0"
			if r.settings.Password != "" {
				protected = "1"
			}
			with(form, field("boolean", passwordProtected, "Ask for a password?", protected))
		}
		if s.name == loggingSetting && r.numbers == nil {
			continue
		}
		values := s.get(&r.settings)
		f := field(s.typ, s.name, s.label, values...)
		for _, o := range s.choices(values, r.settings, r.limits) {
			with(f, with(elem(nsForms, "option", "label", o), text(nsForms, "value", o)))
		}
		with(form, f)
	}
	return with(form, field("jid-multi", adminsSetting, "Who administers the room?", r.listed(admin)...),
		field("jid-multi", ownersSetting, "Who owns the room?", r.listed(owner)...))
}

// listed lists who has an affiliation.
func (r *Room) listed(want affiliation) (list []string) {
	for bare, p := range r.people {
		if p.affiliation == want {
			list = append(list, bare)
		}
	}
	slices.Sort(list)
	return list
}

// readPeople returns what a form changes with its full lists of admins and owners (§15.5.3). Who is in none of them any
// more stays a member. An owner among the admins stays an owner as long as no list of owners says otherwise.
func (r *Room) readPeople(in values) ([]change, error) {
	lists := map[affiliation]map[string]bool{}
	for want, name := range map[affiliation]string{admin: adminsSetting, owner: ownersSetting} {
		texts, there := in[name]
		if !there {
			continue
		}
		lists[want] = map[string]bool{}
		for _, text := range texts {
			if text == "" {
				continue
			}
			bare, err := bareAddress(text)
			if err != nil {
				return nil, err
			}
			lists[want][bare] = true
		}
	}
	after := map[string]affiliation{}
	for _, want := range []affiliation{admin, owner} {
		for _, bare := range r.listed(want) {
			if lists[want] != nil && !lists[want][bare] {
				after[bare] = member
			}
		}
	}
	for bare := range lists[admin] {
		if lists[owner] != nil || r.affiliation(bare) != owner {
			after[bare] = admin
		}
	}
	for bare := range lists[owner] {
		after[bare] = owner
	}
	var changes []change
	for _, bare := range slices.Sorted(maps.Keys(after)) {
		if after[bare] != r.affiliation(bare) {
			changes = append(changes, change{bare: bare, affiliation: after[bare]})
		}
	}
	if len(changes) > maxChanges {
		return nil, errTooMuch
	}
	return changes, r.checkTogether(changes)
}

// readSettings returns the settings with what a submitted form changes of them.
func (r *Room) readSettings(in values) (uc.RoomSettings, error) {
	now := r.settings
	if t, ok := in["FORM_TYPE"]; ok && (len(t) != 1 || t[0] != formConfig) {
		return now, errBadRequest
	}
	for _, s := range settings {
		list, there := in[s.name]
		if !there || s.name == loggingSetting && r.numbers == nil {
			continue
		}
		if !s.set(&now, list, r.limits) {
			return now, errBadValue
		}
	}
	if p, ok := in[passwordProtected]; ok && len(p) == 1 {
		switch {
		case !isTrue(p[0]):
			now.Password = ""
		case now.Password == "":
			return now, errBadValue // §10.1.3: a password is needed
		}
	}
	return now, nil
}
