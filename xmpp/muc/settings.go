package muc

import (
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
	get              func(*uc.RoomSettings) string
	set              func(s *uc.RoomSettings, value string, l *Limits) bool // false: the value is not acceptable
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
	boolSetting("muc#roomconfig_changesubject", "Let everybody change the subject?", func(s *uc.RoomSettings) *bool { return &s.OpenSubject }),
	{"list-single", "muc#roomconfig_whois", "Who sees real addresses?", func(s *uc.RoomSettings) string {
		if s.NonAnonymous {
			return "anyone"
		}
		return "moderators"
	}, func(s *uc.RoomSettings, value string, _ *Limits) bool {
		s.NonAnonymous = value == "anyone"
		return value == "anyone" || value == "moderators"
	}, []string{"moderators", "anyone"}},
	{"list-single", "muc#roomconfig_allowpm", "Who may send private messages?", func(s *uc.RoomSettings) string { return s.PrivateMessages },
		func(s *uc.RoomSettings, value string, _ *Limits) bool {
			s.PrivateMessages = value
			return slices.Contains(privateMessages, value)
		}, privateMessages},
	numberSetting("muc#roomconfig_maxusers", "How many may be in the room?", 1, func(l *Limits) int { return l.Occupants }, func(s *uc.RoomSettings) *int { return &s.MaxOccupants }),
	textSetting("text-single", "muc#roomconfig_lang", "Language of the conversation", 35, func(s *uc.RoomSettings) *string { return &s.Lang }),
	numberSetting("muc#maxhistoryfetch", "How many messages may newcomers be sent?", 0, func(l *Limits) int { return l.History }, func(s *uc.RoomSettings) *int { return &s.History }),
	boolSetting(loggingSetting, "Keep what is said, for everybody who may enter to read again?", func(s *uc.RoomSettings) *bool { return &s.Logged }),
}

var privateMessages = []string{"anyone", "participants", "moderators", "none"}

func boolSetting(name, label string, at func(*uc.RoomSettings) *bool) setting {
	return setting{"boolean", name, label, func(s *uc.RoomSettings) string {
		if *at(s) {
			return "1"
		}
		return "0"
	}, func(s *uc.RoomSettings, value string, _ *Limits) bool {
		*at(s) = isTrue(value)
		return isTrue(value) || value == "0" || value == "false"
	}, nil}
}

func textSetting(typ, name, label string, limit int, at func(*uc.RoomSettings) *string) setting {
	return setting{typ, name, label, func(s *uc.RoomSettings) string { return *at(s) },
		func(s *uc.RoomSettings, value string, _ *Limits) bool {
			*at(s) = value
			return len(value) <= limit
		}, nil}
}

// numberSetting is a number between least and what the server allows; empty or "none" is that.
func numberSetting(name, label string, least int, most func(*Limits) int, at func(*uc.RoomSettings) *int) setting {
	return setting{"text-single", name, label, func(s *uc.RoomSettings) string { return strconv.Itoa(*at(s)) },
		func(s *uc.RoomSettings, value string, l *Limits) bool {
			if value == "" || value == "none" {
				*at(s) = most(l)
				return true
			}
			n, err := strconv.Atoi(value)
			*at(s) = n
			return err == nil && n >= least && n <= most(l)
		}, nil}
}

// loggingSetting is only there if there is an archive.
const loggingSetting = "muc#roomconfig_enablelogging"

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
		f := field(s.typ, s.name, s.label, s.get(&r.settings))
		for _, o := range s.options {
			with(f, with(elem(nsForms, "option", "label", o), text(nsForms, "value", o)))
		}
		with(form, f)
	}
	return form
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
		value := ""
		if len(list) > 0 {
			value = list[0]
		}
		if len(list) > 1 || !s.set(&now, value, r.limits) {
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
