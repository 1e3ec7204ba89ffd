package directory

import (
	"cmp"
	"context"
	"fmt"

	"github.com/rolecall/rolecall/internal/uc"
)

// pauseValue is what a pause slot holds.
type pauseValue struct {
	Paused bool   `json:"paused"`
	Reason string `json:"reason,omitempty"`
}

func (v pauseValue) String() string {
	if !v.Paused {
		return "not paused"
	}
	return "paused (" + v.Reason + ")"
}

// TeamLogin logs a user in to a team, or to all teams that they are a dynamic member of (team 0).
func (d *Directory) TeamLogin(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID) ([]uc.Change, error) {
	return d.setLogin(ctx, by, user, team, true)
}

// TeamLogout logs a user out of a team, or of all teams that they are a dynamic member of (team 0).
func (d *Directory) TeamLogout(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID) ([]uc.Change, error) {
	return d.setLogin(ctx, by, user, team, false)
}

func (d *Directory) setLogin(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID, in bool) ([]uc.Change, error) {
	return d.live(ctx, by, func(e *edit) error {
		list, err := e.memberships(user, team)
		if err != nil {
			return err
		}
		for _, m := range list {
			if !m.Static {
				e.setMemberLogin(*m, in)
			} else if team != 0 {
				return uc.Errorf(uc.ErrConflict, "%s is a static member of %s, who is always logged in and can only pause",
					userName(e.dir, user), teamName(e.dir, team))
			}
		}
		return nil
	})
}

// TeamPause pauses a user in a team or in all their teams (team 0).
func (d *Directory) TeamPause(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID, reason string) ([]uc.Change, error) {
	var c checks
	if c.text("reason", &reason, maxName); c.err != nil {
		return nil, c.err
	}
	return d.setPause(ctx, by, user, team, pauseValue{Paused: true, Reason: cmp.Or(reason, defaultPauseReason)})
}

// TeamUnpause ends the pause of a user in a team or in all their teams (team 0).
func (d *Directory) TeamUnpause(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID) ([]uc.Change, error) {
	return d.setPause(ctx, by, user, team, pauseValue{})
}

func (d *Directory) setPause(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID, to pauseValue) ([]uc.Change, error) {
	return d.live(ctx, by, func(e *edit) error {
		list, err := e.memberships(user, team)
		if err != nil {
			return err
		}
		for _, m := range list {
			e.setMemberPause(*m, to)
		}
		return nil
	})
}

// memberships lists a user's places in one team, or in all (team 0).
func (e *edit) memberships(user uc.UserID, team uc.TeamID) ([]*uc.Member, error) {
	if _, err := e.user(user); err != nil {
		return nil, err
	}
	list := e.dir.Memberships(user)
	if team == 0 {
		return list, nil
	}
	for _, m := range list {
		if m.Team == team {
			return []*uc.Member{m}, nil
		}
	}
	if _, err := find(&e.dir.Teams, team, uc.KindTeam); err != nil {
		return nil, err
	}
	return nil, uc.Errorf(uc.ErrNotFound, "%s is not a member of %s", userName(e.dir, user), teamName(e.dir, team))
}

func (e *edit) setMemberLogin(m uc.Member, in bool) {
	if m.LoggedIn == in {
		return
	}
	e.changed(fmt.Sprintf("login:%d", m.ID), m.LoggedIn, in, "%s: %s → %s", teamName(e.dir, m.Team), loggedIn(m.LoggedIn), loggedIn(in))
	m.LoggedIn, m.SetBy = in, e.stamp()
	e.put.Members = append(e.put.Members, m)
}

func (e *edit) setMemberPause(m uc.Member, to pauseValue) {
	was := pauseValue{m.Paused, m.Reason}
	if was == to {
		return
	}
	e.changed(fmt.Sprintf("pause:%d", m.ID), was, to, "%s: %s → %s", teamName(e.dir, m.Team), was, to)
	m.Paused, m.Reason, m.SetBy = to.Paused, to.Reason, e.stamp()
	e.put.Members = append(e.put.Members, m)
}

func loggedIn(in bool) string {
	if in {
		return "logged in"
	}
	return "logged out"
}
