package directory

import (
	"context"
	"regexp"

	"github.com/rolecall/rolecall/internal/uc"
)

// What a call-flow line may do, and the status that every call has.
const (
	flowGoto      = "goto"
	flowVoicemail = "voicemail"
	flowHangup    = "hangup"
	flowPrompt    = "prompt"
	flowAny       = "any"
)

// hangupForm is a SIP status that refuses a call (RFC 3261 §21.4-21.6); empty means the default.
var hangupForm = regexp.MustCompile(`^([456][0-9][0-9])?$`)

// AddFlowLine adds a line to a call-flow list; without a position, at its end.
func (d *Directory) AddFlowLine(ctx context.Context, by uc.Actor, l uc.FlowLine) (uc.FlowLine, error) {
	err := d.do(ctx, by, func(e *edit) error {
		l.ID = 0
		if err := e.checkFlowLine(&l); err != nil {
			return err
		}
		l.ID = uc.FlowLineID(e.nextID(uc.KindFlowLine))
		e.put.FlowLines = append(e.put.FlowLines, l)
		e.note("added a line to %s of %s", l.List, e.flowOwner(&l))
		return nil
	})
	if err != nil {
		return uc.FlowLine{}, err
	}
	return l, nil
}

// UpdateFlowLine changes a line of a call-flow list.
func (d *Directory) UpdateFlowLine(ctx context.Context, by uc.Actor, l uc.FlowLine) error {
	return d.do(ctx, by, func(e *edit) error {
		old, err := find(&e.dir.FlowLines, l.ID, uc.KindFlowLine)
		if err != nil {
			return err
		}
		if err := e.checkFlowLine(&l); err != nil {
			return err
		}
		if old == l {
			return nil
		}
		e.put.FlowLines = append(e.put.FlowLines, l)
		e.note("changed a line of %s of %s: %s", l.List, e.flowOwner(&l), diff(old, l))
		return nil
	})
}

func (e *edit) checkFlowLine(l *uc.FlowLine) error {
	var c checks
	c.that((l.User == 0) != (l.Team == 0), "user", "a line belongs to a user or to a team, to one of the two")
	if l.User != 0 {
		known(&c, "user", &e.dir.Users, l.User)
	}
	if l.Team != 0 {
		known(&c, "team", &e.dir.Teams, l.Team)
	}
	oneOf(&c, "list", l.List, uc.InternalBefore, uc.InternalAfter, uc.ExternalBefore, uc.ExternalAfter)
	c.checkFlowStatus(l)
	switch l.Action {
	case flowGoto:
		c.target("target", &l.Target)
	case flowPrompt:
		c.name("target", &l.Target)
	case flowVoicemail:
		c.number("target", &l.Target)
	case flowHangup:
		c.that(hangupForm.MatchString(l.Target), "target", "%q is not a SIP status that refuses a call", l.Target)
	default:
		c.that(false, "action", "%q is not a known action", l.Action)
	}
	if l.Position == 0 {
		lines := e.dir.UserFlow(l.User, l.List)
		if l.Team != 0 {
			lines = e.dir.TeamFlow(l.Team, l.List)
		}
		l.Position = nextPosition(lines)
	}
	return c.err
}

// checkFlowStatus checks for which calls an after-line counts; before-lines come before any status.
func (c *checks) checkFlowStatus(l *uc.FlowLine) {
	switch {
	case l.List == uc.InternalBefore || l.List == uc.ExternalBefore:
		c.that(l.Status == "", "status", "before the call there is no status yet")
	case l.Status == "":
		l.Status = flowAny
	case l.Team != 0:
		oneOf(c, "status", l.Status, flowAny, "full", "joinempty", "leaveempty", "timeout")
	default:
		oneOf(c, "status", l.Status, flowAny, "noanswer", "busy", "unreachable")
	}
}

// nextPosition is the place after the last line of a list.
func nextPosition(lines []*uc.FlowLine) int {
	if len(lines) == 0 {
		return 1
	}
	return lines[len(lines)-1].Position + 1
}

func (e *edit) flowOwner(l *uc.FlowLine) string {
	if l.Team != 0 {
		return label(e.dir, uc.Ref{Kind: uc.KindTeam, ID: int64(l.Team)})
	}
	return label(e.dir, uc.Ref{Kind: uc.KindUser, ID: int64(l.User)})
}
