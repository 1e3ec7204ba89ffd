package directory

import (
	"cmp"
	"context"

	"github.com/rolecall/rolecall/internal/uc"
)

const (
	defaultMemberTimeout = 15 // seconds
	maxSeconds           = 3600
	defaultPauseReason   = "Pause"
)

// AddTeam adds a team. Without a strategy all members ring, for 15 seconds if no time is given.
func (d *Directory) AddTeam(ctx context.Context, by uc.Actor, t uc.Team) (uc.Team, error) {
	err := d.do(ctx, by, func(e *edit) error {
		t.ID = 0
		if err := e.checkTeam(&t); err != nil {
			return err
		}
		t.ID = uc.TeamID(e.nextID(uc.KindTeam))
		e.put.Teams = append(e.put.Teams, t)
		e.note("added team %s", t.Name)
		return nil
	})
	if err != nil {
		return uc.Team{}, err
	}
	return t, nil
}

// UpdateTeam changes a team.
func (d *Directory) UpdateTeam(ctx context.Context, by uc.Actor, t uc.Team) error {
	return d.do(ctx, by, func(e *edit) error {
		old, err := find(&e.dir.Teams, t.ID, uc.KindTeam)
		if err != nil {
			return err
		}
		if err := e.checkTeam(&t); err != nil {
			return err
		}
		if old == t {
			return nil
		}
		e.put.Teams = append(e.put.Teams, t)
		e.note("changed team %s: %s", old.Name, diff(old, t))
		return nil
	})
}

func (e *edit) checkTeam(t *uc.Team) error {
	var c checks
	c.name("name", &t.Name)
	e.checkExtension(&c, "ext", t.Ext, uc.Ref{Kind: uc.KindTeam, ID: int64(t.ID)})
	c.text("prefix", &t.Prefix, maxName)
	t.Strategy, t.MemberTimeout = cmp.Or(t.Strategy, uc.RingAll), cmp.Or(t.MemberTimeout, defaultMemberTimeout)
	oneOf(&c, "strategy", t.Strategy,
		uc.RingAll, uc.Linear, uc.LongestIdle, uc.FewestCalls, uc.RandomMember, uc.RoundRobin, uc.Weighted)
	c.within("memberTimeout", t.MemberTimeout, 1, maxSeconds)
	c.within("wrapUp", t.WrapUp, 0, maxSeconds)
	c.within("maxWaiting", t.MaxWaiting, 0, 100_000)
	if t.Overflow != "" {
		c.target("overflow", &t.Overflow)
		c.that(t.Ext == "" || t.Overflow != t.Ext, "overflow", "a team cannot overflow into itself")
	}
	return c.err
}

// AddMember gives a user a place in a team.
func (d *Directory) AddMember(ctx context.Context, by uc.Actor, m uc.Member) (uc.Member, error) {
	err := d.do(ctx, by, func(e *edit) error {
		m.ID, m.SetBy = 0, ""
		if err := e.checkMember(&m); err != nil {
			return err
		}
		m.ID = uc.MemberID(e.nextID(uc.KindMember))
		e.put.Members = append(e.put.Members, m)
		e.note("added %s to team %s", userName(e.dir, m.User), teamName(e.dir, m.Team))
		return nil
	})
	if err != nil {
		return uc.Member{}, err
	}
	return m, nil
}

// UpdateMember changes a place in a team; a change of login or pause is stamped.
func (d *Directory) UpdateMember(ctx context.Context, by uc.Actor, m uc.Member) error {
	return d.do(ctx, by, func(e *edit) error {
		old, err := find(&e.dir.Members, m.ID, uc.KindMember)
		if err != nil {
			return err
		}
		m.SetBy = old.SetBy
		if err := e.checkMember(&m); err != nil {
			return err
		}
		if old == m {
			return nil
		}
		if old.LoggedIn != m.LoggedIn || old.Paused != m.Paused || old.Reason != m.Reason {
			m.SetBy = e.stamp()
		}
		e.put.Members = append(e.put.Members, m)
		e.note("changed %s in team %s: %s", userName(e.dir, m.User), teamName(e.dir, m.Team), diff(old, m))
		return nil
	})
}

func (e *edit) checkMember(m *uc.Member) error {
	var c checks
	known(&c, "team", &e.dir.Teams, m.Team)
	known(&c, "user", &e.dir.Users, m.User)
	for _, other := range e.dir.TeamMembers(m.Team) {
		c.free(other.ID == m.ID || other.User != m.User, "user", "%s is in this team already", userName(e.dir, m.User))
	}
	c.text("reason", &m.Reason, maxName)
	if !m.Paused {
		m.Reason = ""
	} else {
		m.Reason = cmp.Or(m.Reason, defaultPauseReason)
	}
	c.within("weight", m.Weight, 0, 1000)
	return c.err
}
