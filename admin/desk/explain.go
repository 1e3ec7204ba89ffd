package desk

import (
	"strconv"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// Question is an explain question as it stands in a URL: who would ring if From called To.
type Question struct {
	From  string   // extension or outside number; empty means an outside caller who hides their number
	To    string   // extension
	At    string   // RFC 3339 or "2006-01-02T15:04" in Zone; empty means now
	Class uc.Class // empty: worked out from the caller
	Team  string   // id or extension of the team that the call comes through
	Zone  *time.Location
}

// anonymous is the number of a caller who hides it.
const anonymous = "anonymous"

// Plan reads the question into a request for the plan.
func (q Question) Plan(d *uc.Directory, now time.Time) (uc.PlanRequest, error) {
	req := uc.PlanRequest{To: q.To, Class: q.Class, Caller: Caller(d, q.From), Now: now}
	if q.To == "" {
		return req, uc.FieldError(uc.ErrInvalid, "to", "Enter the extension that is called.")
	}
	switch q.Class {
	case "", uc.Internal, uc.External, uc.Queue:
	default:
		return req, uc.FieldError(uc.ErrInvalid, "class", "The class of a call is internal, external or queue.")
	}
	if q.From == "" && q.Class == "" {
		req.Class = uc.External
	}
	if q.At != "" {
		at, err := q.time()
		if err != nil {
			return req, err
		}
		req.Now = at
	}
	if q.Team != "" {
		team, err := teamOf(d, q.Team)
		if err != nil {
			return req, err
		}
		req.Team, req.Class = team, uc.Queue
	}
	return req, nil
}

func (q Question) time() (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, q.At); err == nil {
		return at, nil
	}
	zone := q.Zone
	if zone == nil {
		zone = time.Local
	}
	at, err := time.ParseInLocation("2006-01-02T15:04", q.At, zone)
	if err != nil {
		return at, uc.FieldError(uc.ErrInvalid, "at", "Write the time like 2026-03-02T18:05.")
	}
	return at, nil
}

// Caller is the party that a number belongs to.
func Caller(d *uc.Directory, number string) uc.Party {
	if number == "" {
		return uc.Party{Number: anonymous}
	}
	t, _ := d.ByExt(number)
	return uc.Party{Number: number, User: t.User, Team: t.Team, Name: d.NameOf(number)}
}

func teamOf(d *uc.Directory, text string) (uc.TeamID, error) {
	if t, ok := d.ByExt(text); ok && t.Team != 0 {
		return t.Team, nil
	}
	if id, err := strconv.ParseInt(text, 10, 64); err == nil && d.Teams.Get(uc.TeamID(id)) != nil {
		return uc.TeamID(id), nil
	}
	return 0, uc.FieldError(uc.ErrInvalid, "team", "There is no team %q.", text)
}
