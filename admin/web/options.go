package web

import (
	"strconv"
	"time"

	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/internal/uc"
)

// Options lists the choices of a kind, for selects and lists of check boxes.
func (p page) Options(kind string) []option {
	if fixed, ok := fixedOptions[kind]; ok {
		return fixed
	}
	d := p.Dir
	switch kind {
	case "users":
		return things(desk.List(&d.Users, desk.UserName, nil), func(u *uc.User) option { return idOption(u.ID, nameAndExt(u.Name, u.Ext)) })
	case "devices":
		return things(desk.List(&d.Devices, desk.DeviceName, nil), func(v *uc.Device) option { return idOption(v.ID, deviceLabel(v)) })
	case "selects":
		return append(fixedOptions["kinds of device"], things(desk.List(&d.Devices, desk.DeviceName, nil), func(v *uc.Device) option {
			return option{"device:" + strconv.FormatInt(int64(v.ID), 10), v.Name}
		})...)
	case "locations":
		return things(desk.List(&d.Locations, desk.LocationName, nil), func(l *uc.Location) option { return idOption(l.ID, l.Name) })
	case "teams":
		return things(desk.List(&d.Teams, desk.TeamName, nil), func(t *uc.Team) option { return idOption(t.ID, nameAndExt(t.Name, t.Ext)) })
	case "roles":
		return things(desk.List(&d.Roles, desk.RoleTitle, nil), func(r *uc.Role) option { return idOption(r.ID, r.Title) })
	case "levels":
		return p.levels()
	}
	return nil
}

// levels lists the admin levels that the viewer may give.
func (p page) levels() []option {
	list := []option{{"", "None"}}
	for _, l := range []uc.AdminLevel{uc.LevelMetrics, uc.LevelPhonebook, uc.LevelPBX, uc.LevelAdmin, uc.LevelSystem} {
		if p.Who.AdminLevel.AtLeast(l) {
			list = append(list, option{string(l), words(l)})
		}
	}
	return list
}

// fixedOptions are the choices that do not depend on the directory.
var fixedOptions = map[string][]option{
	"auth":          choices(uc.AuthLocal, uc.AuthLDAP, uc.AuthNone),
	"voicemail":     choices(uc.VoicemailOff, uc.VoicemailExternal, uc.VoicemailInternal, uc.VoicemailAll),
	"device kinds":  choices(uc.DeviceDesk, uc.DeviceSoftphone, uc.DeviceMobile, uc.DeviceFax, uc.DeviceExternal),
	"strategies":    choices(uc.RingAll, uc.Linear, uc.LongestIdle, uc.FewestCalls, uc.RandomMember, uc.RoundRobin, uc.Weighted),
	"role types":    choices(uc.RoleTypes...),
	"classes":       {{string(uc.Internal), "Internal"}, {string(uc.External), "External"}, {string(uc.Queue), "Team (queue)"}},
	"forward kinds": choices(uc.ForwardAlways, uc.ForwardBusy, uc.ForwardNoAnswer, uc.ForwardUnreachable),
	"forward class": choices(uc.ForwardBoth, uc.ForwardInternal, uc.ForwardExternal),
	"flow lists":    choices(uc.InternalBefore, uc.InternalAfter, uc.ExternalBefore, uc.ExternalAfter),
	"flow actions":  {{"voicemail", "Voicemail box"}, {"goto", "Go to"}, {"hangup", "Hang up"}, {"prompt", "Play a prompt"}},
	"flow status": {{"any", "any outcome"}, {"noanswer", "no answer"}, {"busy", "busy"}, {"unreachable", "unreachable"},
		{"full", "team: full"}, {"joinempty", "team: joined empty"}, {"leaveempty", "team: left empty"}, {"timeout", "team: timeout"}},
	"languages": {{"", "Server default"}, {"en", "English"}, {"de", "Deutsch"}, {"fr", "Français"}, {"it", "Italiano"}, {"es", "Español"}},
	"shows":     {{"available", words(uc.ShowAvailable)}, {"away", words(uc.ShowAway)}, {"xa", words(uc.ShowXA)}, {"dnd", words(uc.ShowDND)}},
	"kinds of device": {{"all", "All devices"}, {"kind:desk", "All desk phones"}, {"kind:softphone", "All softphones"},
		{"kind:mobile", "All mobiles"}, {"kind:external", "All external numbers"}},
	"switch":   {{"", "leave as it is"}, {"true", "on"}, {"false", "off"}},
	"on off":   {{"true", "on"}, {"false", "off"}},
	"triggers": choices(uc.TriggerTimed, uc.TriggerTeams),
	"actions": choices(uc.ActionFollowMe, uc.ActionGSM, uc.ActionTeamLogin, uc.ActionTeamLogout, uc.ActionTeamPause, uc.ActionTeamUnpause,
		uc.ActionSetWorkplace, uc.ActionUnsetWorkplace, uc.ActionSetRedirect, uc.ActionUnsetRedirect, uc.ActionText, uc.ActionWebhook, uc.ActionMessage),
	"weekdays":   weekdays(),
	"activities": {{"InACall", "in a call"}, {"InAConferenceCall", "in a conference call"}, {"Presenting", "presenting"}, {"InAMeeting", "in a meeting (calendar alone is enough)"}},
	"icons":      iconOptions(),
	"for":        {{"", "Until somebody changes it"}, {"30m", "30 minutes"}, {"1h", "1 hour"}, {"2h", "2 hours"}, {"4h", "4 hours"}, {"today", "Until midnight"}, {"at", "Until …"}},
}

func weekdays() []option {
	var list []option
	for i := range 7 {
		day := time.Weekday((i + 1) % 7) // Monday first
		list = append(list, option{strconv.Itoa(int(day)), day.String()[:3]})
	}
	return list
}

func iconOptions() []option {
	list := []option{{"", "None"}}
	for _, name := range iconNames {
		list = append(list, option{name, name})
	}
	return list
}

func things[T any](from []*T, label func(*T) option) []option {
	list := make([]option, len(from))
	for i, v := range from {
		list[i] = label(v)
	}
	return list
}

func idOption[K ~int64](id K, label string) option {
	return option{strconv.FormatInt(int64(id), 10), label}
}

func nameAndExt(name, ext string) string {
	if ext == "" {
		return name
	}
	return name + " (" + ext + ")"
}

func deviceLabel(d *uc.Device) string { return d.Name + " – " + words(d.Kind) }
