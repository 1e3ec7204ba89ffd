package xmpp

import (
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// commandPrefix begins the nodes of our commands.
const commandPrefix = "urn:rolecall:command:"

// commands lists the ad-hoc commands in the order in which clients see them.
var commands = append([]command{
	{commandPrefix + "profile", "Switch profile", nil, switchProfile},
	{commandPrefix + "status", "Profile status", nil, profileStatus},
	{commandPrefix + "followme", "FollowMe", nil, followMe},
	{commandPrefix + "workplace", "Workplace", nil, workplace},
	{commandPrefix + "team", "Teams", inTeams, teams},
	{commandPrefix + "redirect", "Redirect", nil, redirect},
	{commandPrefix + "client-dnd", "My client's do-not-disturb", nil, clientDND},
	{commandPrefix + "who-sees", "Who sees whom", nil, whoSees},
	{commandPrefix + "explain", "Explain a call", canExplain, explain},
	{commandPrefix + "dial", "Dial", hasPhones, dialFor},
	{commandPrefix + "transfer", "Transfer my call", hasPhones, transferOwn},
	{commandPrefix + "supervise-profile", "Switch profile of…", supervises, ofOther("Switch profile of…", superviseOne, switchProfile)},
	{commandPrefix + "supervise-team", "Teams of…", supervises, ofOther("Teams of…", superviseAgent, teams)},
	{commandPrefix + "supervise-workplace", "Workplace of…", supervises, ofOther("Workplace of…", superviseOne, workplace)},
	{commandPrefix + "supervise-redirect", "Redirect of…", redirects, ofOther("Redirect of…", redirectOne, redirect)},
	{commandPrefix + "supervise-calls", "Calls and teams", supervisesCalls, superviseCalls},
	{commandPrefix + "supervise-hangup", "Hang up a call", supervisesCalls, hangUp},
	{commandPrefix + "supervise-divert", "Pick up or pass on a call", supervisesCalls, divert},
	{commandPrefix + "supervise-transfer", "Transfer a call", supervisesCalls, transferOther},
	{commandPrefix + "supervise-dial", "Dial for…", supervisesCalls, ofOther("Dial for…", superviseOne, dialFor)},
}, adminCommands...)

// finish ends a command with what was changed, in words.
func finish(changes []uc.Change, err error) (*page, error) {
	if err != nil {
		return nil, err
	}
	if len(changes) == 0 {
		return &page{note: "Nothing to do: it is so already."}, nil
	}
	lines := make([]string, len(changes))
	for i, c := range changes {
		lines[i] = c.Text
	}
	return &page{note: strings.Join(lines, "\n")}, nil
}

// zone returns the user's time zone.
func zone(u *uc.User) *time.Location {
	if loc, err := time.LoadLocation(u.TimeZone); err == nil && u.TimeZone != "" {
		return loc
	}
	return time.Local
}

// parseTime reads a point in time as people write it: "17:30" (the next one), "90m" from now, or
// "2026-03-02 17:30"; RFC 3339 too.
func parseTime(text string, now time.Time, loc *time.Location) (time.Time, error) {
	text = strings.TrimSpace(text)
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation("2006-01-02 15:04", text, loc); err == nil {
		return t, nil
	}
	clock, err := time.Parse("15:04", text)
	if err != nil {
		return time.Time{}, uc.Errorf(uc.ErrInvalid, "%q is not a time such as 17:30, 90m or 2026-03-02 17:30", text)
	}
	local := now.In(loc)
	t := time.Date(local.Year(), local.Month(), local.Day(), clock.Hour(), clock.Minute(), 0, 0, loc)
	if !t.After(now) {
		t = time.Date(local.Year(), local.Month(), local.Day()+1, clock.Hour(), clock.Minute(), 0, 0, loc)
	}
	return t, nil
}
