package web

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/internal/uc"
)

// profileRow is one line of the list of profiles.
type profileRow struct {
	*uc.Profile
	Owner *uc.User
	In    int // how many users are in it now
}

func (q *request) profiles() error {
	in := make(map[uc.ProfileID]int)
	for id := range q.dir.Users.All() {
		in[q.web.Profiles.State(id).Effective]++
	}
	list := desk.List(&q.dir.Profiles, desk.ProfileName, func(p *uc.Profile) bool { return q.search(p.Name, p.Text) })
	rows := make([]profileRow, len(list))
	for i, p := range list {
		rows[i] = profileRow{p, q.dir.Users.Get(p.Owner), in[p.ID]}
	}
	return q.ok("profiles", "Profiles", listOf(q, rows))
}

func (web *Web) profileEditor() editor[uc.Profile] {
	return editor[uc.Profile]{
		path: "/profiles", page: "profile", noun: "profile", read: access.ReadProfiles, write: access.WriteProfiles,
		blank: func(*request) uc.Profile {
			return uc.Profile{Color: "#3b82f6", IconVisible: true, Show: uc.ShowAvailable, Assigned: uc.AssignedAdmin}
		},
		get: func(d *uc.Directory, id int64) *uc.Profile { return d.Profiles.Get(uc.ProfileID(id)) },
		setID: func(p *uc.Profile, id int64) {
			if p.ID = uc.ProfileID(id); id == 0 {
				p.Assigned, p.Owner = uc.AssignedAdmin, 0
			}
		},
		title:  func(p *uc.Profile) string { return p.Name },
		add:    web.Directory.AddProfile,
		update: web.Directory.UpdateProfile,
		next:   func(*uc.Profile) string { return "/profiles" },
		rows:   profileRows,
	}
}

// profileRows carries out the buttons of the lists in a profile's form: "enter add", "leave 2 up",
// "triggers 0 remove".
func profileRows(p *uc.Profile, do string) bool {
	words := strings.Fields(do)
	if len(words) < 2 {
		return false
	}
	switch list, rest := words[0], words[1:]; list {
	case "enter":
		p.Enter = editRows(p.Enter, rest, uc.Action{Kind: uc.ActionFollowMe, Devices: "all", Enabled: new(true)})
	case "leave":
		p.Leave = editRows(p.Leave, rest, uc.Action{Kind: uc.ActionFollowMe, Devices: "all", Enabled: new(true)})
	case "triggers":
		p.Triggers = editRows(p.Triggers, rest, uc.Trigger{Kind: uc.TriggerTimed, At: "12:00"})
	default:
		return list == "refresh"
	}
	return true
}

// editRows adds a row, or moves or removes the one with the number that words begin with.
func editRows[T any](rows []T, words []string, blank T) []T {
	if words[0] == "add" {
		return append(rows, blank)
	}
	i, err := strconv.Atoi(words[0])
	if err != nil || i < 0 || i >= len(rows) || len(words) < 2 {
		return rows
	}
	rows = slices.Clone(rows)
	switch words[1] {
	case "remove":
		return slices.Delete(rows, i, i+1)
	case "up":
		if i > 0 {
			rows[i-1], rows[i] = rows[i], rows[i-1]
		}
	case "down":
		if i+1 < len(rows) {
			rows[i], rows[i+1] = rows[i+1], rows[i]
		}
	}
	return rows
}

// Uses reports which parameters an action of a kind has, for the form.
func (p page) Uses(kind uc.ActionKind, parameter string) bool {
	return slices.Contains(parameters[kind], parameter)
}

// parameters are the parameters of the actions (see uc.Action).
var parameters = map[uc.ActionKind][]string{
	uc.ActionFollowMe:      {"devices", "classes", "switch", "delay", "timeout"},
	uc.ActionGSM:           {"on"},
	uc.ActionTeamLogin:     {"team"},
	uc.ActionTeamLogout:    {"team"},
	uc.ActionTeamPause:     {"team", "reason"},
	uc.ActionTeamUnpause:   {"team"},
	uc.ActionSetWorkplace:  {"location"},
	uc.ActionSetRedirect:   {"forward", "class", "target"},
	uc.ActionUnsetRedirect: {"forward", "class"},
	uc.ActionText:          {"text"},
	uc.ActionWebhook:       {"url"},
	uc.ActionMessage:       {"jid", "text"},
}
