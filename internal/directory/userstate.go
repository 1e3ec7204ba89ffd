package directory

import (
	"context"
	"fmt"

	"github.com/rolecall/rolecall/internal/uc"
)

// SetGSM switches GSM mode: the mobile rings through its number over the trunk, not by SIP.
func (d *Directory) SetGSM(ctx context.Context, by uc.Actor, user uc.UserID, on bool) ([]uc.Change, error) {
	return d.live(ctx, by, func(e *edit) error {
		if _, err := e.user(user); err != nil {
			return err
		}
		e.setGSM(user, on)
		return nil
	})
}

func (e *edit) setGSM(user uc.UserID, on bool) {
	s := e.view().State(user)
	if s.GSM == on {
		return
	}
	e.changed(fmt.Sprintf("gsm:%d", user), s.GSM, on, "GSM mode: %s → %s", onOff(s.GSM), onOff(on))
	s.GSM = on
	e.putState(s)
}

// SetStatusText sets the text that colleagues see; empty gives back the profile's.
func (d *Directory) SetStatusText(ctx context.Context, by uc.Actor, user uc.UserID, text string) ([]uc.Change, error) {
	var c checks
	if c.text("text", &text, maxText); c.err != nil {
		return nil, c.err
	}
	return d.live(ctx, by, func(e *edit) error {
		if _, err := e.user(user); err != nil {
			return err
		}
		e.setStatusText(user, text)
		return nil
	})
}

func (e *edit) setStatusText(user uc.UserID, text string) {
	s := e.view().State(user)
	if s.StatusText == text {
		return
	}
	e.changed(fmt.Sprintf("text:%d", user), s.StatusText, text, "Status text: %q → %q", s.StatusText, text)
	s.StatusText = text
	e.putState(s)
}

// putState stamps and changes a user's switches.
func (e *edit) putState(s uc.UserState) {
	s.SetBy = e.stamp()
	e.put.UserStates = append(e.put.UserStates, s)
}

// SetClientDND says whether "do not disturb" of a user's chat client switches to the profile DND and back.
func (d *Directory) SetClientDND(ctx context.Context, by uc.Actor, user uc.UserID, on bool) error {
	return d.do(ctx, by, func(e *edit) error {
		u, err := e.user(user)
		if err != nil || u.ClientDND == on {
			return err
		}
		u.ClientDND = on
		e.put.Users = append(e.put.Users, u)
		e.note("%s: a chat client's do-not-disturb switches the profile: %s", u.Login, onOff(on))
		return nil
	})
}
