package profiles

import (
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

func TestDescribe(t *testing.T) {
	dir := uc.NewDirectory(1, uc.Tables{
		Users:     []uc.User{{ID: 1, Name: "Ben", Ext: "34"}},
		Devices:   []uc.Device{{ID: 5, Name: "Desk phone"}},
		Teams:     []uc.Team{{ID: 3, Name: "Support"}},
		Locations: []uc.Location{{ID: 4, Name: "Front desk"}},
	})
	for want, a := range map[string]uc.Action{
		"FollowMe of all devices, all calls: off":                                   {Kind: uc.ActionFollowMe, Enabled: ptr(false)},
		"FollowMe of Desk phone, internal and queue calls: on, after 5 s, for 20 s": {Kind: uc.ActionFollowMe, Devices: "device:5", Classes: []uc.Class{uc.Internal, uc.Queue}, Enabled: ptr(true), Delay: ptr(5), Timeout: ptr(20)},
		"FollowMe of all devices of kind mobile, external calls: unchanged":         {Kind: uc.ActionFollowMe, Devices: "kind:mobile", Classes: []uc.Class{uc.External}},
		"FollowMe of a device that is gone, all calls: on":                          {Kind: uc.ActionFollowMe, Devices: "device:9", Enabled: ptr(true)},
		"GSM mode off":                                      {Kind: uc.ActionGSM, Enabled: ptr(false)},
		"log in to team Support":                            {Kind: uc.ActionTeamLogin, Team: 3},
		"log out of all teams":                              {Kind: uc.ActionTeamLogout},
		"pause in team Support (lunch)":                     {Kind: uc.ActionTeamPause, Team: 3, Reason: "lunch"},
		"end the pause in a team that is gone":              {Kind: uc.ActionTeamUnpause, Team: 9},
		"log in at Front desk":                              {Kind: uc.ActionSetWorkplace, Location: 4},
		"log out of the workplace":                          {Kind: uc.ActionUnsetWorkplace},
		"redirect all calls to 34 (Ben)":                    {Kind: uc.ActionSetRedirect, Target: "34"},
		"redirect external calls while busy to 99":          {Kind: uc.ActionSetRedirect, Target: "99", Forward: uc.ForwardBusy, Class: uc.ForwardExternal},
		"stop redirecting all calls that nobody answers":    {Kind: uc.ActionUnsetRedirect, Forward: uc.ForwardNoAnswer},
		"stop redirecting internal calls while unreachable": {Kind: uc.ActionUnsetRedirect, Forward: uc.ForwardUnreachable, Class: uc.ForwardInternal},
		"show the text “back at two”":                       {Kind: uc.ActionText, Text: "back at two"},
		"clear the presence text":                           {Kind: uc.ActionText},
		"call the webhook at example.org":                   {Kind: uc.ActionWebhook, URL: "https://user:pw@example.org/hook?token=secret"},
		"call the webhook at an unusable address":           {Kind: uc.ActionWebhook, URL: "::"},
		"send a message to ben@example.org":                 {Kind: uc.ActionMessage, Target: "ben@example.org"},
		`unknown action "dance"`:                            {Kind: "dance"},
	} {
		if got := Describe(dir, a); got != want {
			t.Errorf("%+v:\n got %s\nwant %s", a, got, want)
		}
	}
}
