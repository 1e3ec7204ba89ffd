package directory

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// revert puts one slot back. What is gone, or holds another value than the change left, stays as it is.
func (e *edit) revert(c uc.Change) error {
	name, rest, _ := strings.Cut(c.Key, ":")
	number, sub, _ := strings.Cut(rest, ":")
	id, err := strconv.ParseInt(number, 10, 64)
	if err == nil {
		switch name {
		case "followme":
			return revertSlot(c, func(before, after ringValue) { e.revertRing(uc.AssignmentID(id), uc.Class(sub), before, after) })
		case "gsm":
			return revertSlot(c, func(before, after bool) { e.revertGSM(uc.UserID(id), before, after) })
		case "text":
			return revertSlot(c, func(before, after string) { e.revertText(uc.UserID(id), before, after) })
		case "workplace":
			return revertSlot(c, func(before, after uc.LocationID) { e.revertWorkplace(uc.UserID(id), before, after) })
		case "login":
			return revertSlot(c, func(before, after bool) { e.revertLogin(uc.MemberID(id), before, after) })
		case "pause":
			return revertSlot(c, func(before, after pauseValue) { e.revertPause(uc.MemberID(id), before, after) })
		case "forwarding":
			kind, class, _ := strings.Cut(sub, ":")
			return revertSlot(c, func(before, after *forwardValue) {
				e.revertForwarding(uc.UserID(id), uc.ForwardKind(kind), uc.ForwardClass(class), before, after)
			})
		}
	}
	return uc.Errorf(uc.ErrInvalid, "%q names no live switch", c.Key)
}

// revertSlot reads the two values of a change.
func revertSlot[T any](c uc.Change, put func(before, after T)) error {
	var before, after T
	if err := json.Unmarshal([]byte(c.Before), &before); err != nil {
		return fmt.Errorf("directory: revert %s: %w", c.Key, err)
	}
	if err := json.Unmarshal([]byte(c.After), &after); err != nil {
		return fmt.Errorf("directory: revert %s: %w", c.Key, err)
	}
	put(before, after)
	return nil
}

func (e *edit) revertRing(id uc.AssignmentID, class uc.Class, before, after ringValue) {
	old := e.view().Assignments.Get(id)
	if old == nil || valueOf(old.Ring(class)) != after {
		return
	}
	a := *old
	if e.setRing(&a, class, before) {
		e.put.Assignments = append(e.put.Assignments, a)
	}
}

func (e *edit) revertGSM(user uc.UserID, before, after bool) {
	if dir := e.view(); dir.Users.Get(user) != nil && dir.State(user).GSM == after {
		e.setGSM(user, before)
	}
}

func (e *edit) revertText(user uc.UserID, before, after string) {
	if dir := e.view(); dir.Users.Get(user) != nil && dir.State(user).StatusText == after {
		e.setStatusText(user, before)
	}
}

// revertWorkplace logs nobody out: a location that somebody else has taken meanwhile, or that the user
// may no longer use, is left alone.
func (e *edit) revertWorkplace(user uc.UserID, before, after uc.LocationID) {
	dir := e.view()
	if dir.Users.Get(user) == nil || dir.State(user).Workplace != after {
		return
	}
	if before != 0 {
		if may, _ := dir.MayUseLocation(user, before); !may || dir.LocationUser(before) != 0 {
			return
		}
	}
	e.moveTo(user, before, "")
}

func (e *edit) revertLogin(id uc.MemberID, before, after bool) {
	if m := e.view().Members.Get(id); m != nil && !m.Static && m.LoggedIn == after {
		e.setMemberLogin(*m, before)
	}
}

func (e *edit) revertPause(id uc.MemberID, before, after pauseValue) {
	if m := e.view().Members.Get(id); m != nil && (pauseValue{m.Paused, m.Reason}) == after {
		e.setMemberPause(*m, before)
	}
}

func (e *edit) revertForwarding(user uc.UserID, kind uc.ForwardKind, class uc.ForwardClass, before, after *forwardValue) {
	dir := e.view()
	if dir.Users.Get(user) == nil {
		return
	}
	var now *forwardValue
	if f := forwardingOf(dir, user, kind, class); f != nil {
		now = &forwardValue{f.Target, f.Active}
	}
	if (now == nil) == (after == nil) && (now == nil || *now == *after) {
		e.setForwarding(user, kind, class, before)
	}
}
