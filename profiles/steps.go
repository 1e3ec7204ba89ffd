package profiles

import (
	"context"
	"errors"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// Switches are the live switches of the directory that actions turn. Each is idempotent: no changes and
// no error mean that there was nothing to do.
type Switches interface {
	SetFollowMe(ctx context.Context, by uc.Actor, user uc.UserID, sel uc.DeviceSelect, classes []uc.Class, patch uc.RingPatch) ([]uc.Change, error)
	SetGSM(ctx context.Context, by uc.Actor, user uc.UserID, on bool) ([]uc.Change, error)
	SetStatusText(ctx context.Context, by uc.Actor, user uc.UserID, text string) ([]uc.Change, error)
	TeamLogin(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID) ([]uc.Change, error)
	TeamLogout(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID) ([]uc.Change, error)
	TeamPause(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID, reason string) ([]uc.Change, error)
	TeamUnpause(ctx context.Context, by uc.Actor, user uc.UserID, team uc.TeamID) ([]uc.Change, error)
	SetWorkplace(ctx context.Context, by uc.Actor, user uc.UserID, location uc.LocationID) ([]uc.Change, error)
	UnsetWorkplace(ctx context.Context, by uc.Actor, user uc.UserID) ([]uc.Change, error)
	SetForwarding(ctx context.Context, by uc.Actor, user uc.UserID, kind uc.ForwardKind, class uc.ForwardClass, target string) ([]uc.Change, error)
	UnsetForwarding(ctx context.Context, by uc.Actor, user uc.UserID, kind uc.ForwardKind, class uc.ForwardClass) ([]uc.Change, error)
	Revert(ctx context.Context, by uc.Actor, changes []uc.Change) ([]uc.Change, error)
}

// Messenger sends a chat message from the server to an address.
type Messenger interface {
	SendMessage(ctx context.Context, to string, text string) error
}

// step is one line of the job that a switch is. It is stored beside the journal entry while the job
// runs, so that a crash in between can be made good. Exactly one of Do, Revert and Clear is set.
type step struct {
	By       uc.Actor    `json:"by"`
	Words    string      `json:"words"`
	Enter    bool        `json:"enter,omitempty"`    // of the profile that is entered
	Personal bool        `json:"personal,omitempty"` // of a personal profile
	Do       *uc.Action  `json:"do,omitempty"`
	Revert   []uc.Change `json:"revert,omitempty"`
	Clear    string      `json:"clear,omitempty"` // presence text to take away
}

// visiting returns the visit that begins with entering a profile.
func visiting(p *uc.Profile) visit {
	return visit{Name: p.Name, Leave: p.Leave, Undo: p.UndoOnLeave, Personal: p.Assigned == uc.AssignedPersonal}
}

// steps lists what a switch does: leaving with the profile as it is configured now, or as it was when it
// was entered if it is gone; then entering.
func (f *facts) steps(left visit, from uc.ProfileID, to *uc.Profile) []step {
	if p := f.dir.Profiles.Get(from); p != nil {
		now := visiting(p)
		now.Changes, now.Text = left.Changes, left.Text
		left = now
	}
	list := f.leaving(left, to)
	by := uc.Actor{User: f.user, Name: "profile " + to.Name, Via: "profile"}
	for _, a := range to.Enter {
		list = append(list, step{By: by, Do: &a, Enter: true, Personal: to.Assigned == uc.AssignedPersonal, Words: Describe(f.dir, a)})
	}
	return list
}

// leaving lists the steps of leaving. What entering changed is put back first, so that the leave list
// has the last word.
func (f *facts) leaving(v visit, to *uc.Profile) []step {
	by := uc.Actor{User: f.user, Name: "leaving profile " + v.Name, Via: "profile"}
	var list []step
	if v.Undo && len(v.Changes) > 0 {
		list = append(list, step{By: by, Revert: backwards(v.Changes), Words: "leaving " + v.Name + ": put back what entering changed"})
	}
	if v.Text != "" && !slices.ContainsFunc(to.Enter, func(a uc.Action) bool { return a.Kind == uc.ActionText }) {
		list = append(list, step{By: by, Clear: v.Text, Words: "leaving " + v.Name + ": clear the presence text"})
	}
	for _, a := range v.Leave {
		list = append(list, step{By: by, Do: &a, Personal: v.Personal, Words: "leaving " + v.Name + ": " + Describe(f.dir, a)})
	}
	return list
}

// undoing lists the one step of an undo.
func undoing(done []uc.ActionResult, by uc.Actor, name string) []step {
	var changes []uc.Change
	for _, r := range done {
		changes = append(changes, r.Changes...)
	}
	if len(changes) == 0 {
		return nil
	}
	return []step{{By: by, Revert: backwards(changes), Words: "put back what the switch to " + name + " changed"}}
}

func backwards(changes []uc.Change) []uc.Change {
	list := slices.Clone(changes)
	slices.Reverse(list)
	return list
}

// perform carries out one step and says what became of it.
func (e *Engine) perform(ctx context.Context, entry *uc.JournalEntry, s step) uc.ActionResult {
	changes, err := e.carryOut(ctx, entry, s)
	r := uc.ActionResult{Action: s.Words, Result: uc.ResultDone, Changes: changes}
	switch {
	case err != nil:
		r.Result, r.Error = uc.ResultFailed, e.inWords(err)
		e.log.Info("an action failed", "user", entry.User, "profile", entry.ToName, "action", s.Words, "cause", err)
	case len(changes) == 0 && !s.sends():
		r.Result = uc.ResultNothing
	}
	return r
}

// sends reports whether the step tells somebody something and changes nothing here.
func (s *step) sends() bool {
	return s.Do != nil && (s.Do.Kind == uc.ActionWebhook || s.Do.Kind == uc.ActionMessage)
}

func (e *Engine) carryOut(ctx context.Context, entry *uc.JournalEntry, s step) ([]uc.Change, error) {
	switch {
	case s.Revert != nil:
		return e.switches.Revert(ctx, s.By, s.Revert)
	case s.Clear != "":
		if e.directory.Snapshot().State(entry.User).StatusText != s.Clear {
			return nil, nil // somebody changed it since
		}
		return e.switches.SetStatusText(ctx, s.By, entry.User, "")
	case s.Do != nil:
		return e.act(ctx, entry, s)
	}
	return nil, errors.New("profiles: a step without content")
}

// act maps each kind of action to what it does.
func (e *Engine) act(ctx context.Context, entry *uc.JournalEntry, s step) ([]uc.Change, error) {
	by, user, a, sw := s.By, entry.User, s.Do, e.switches
	switch a.Kind {
	case uc.ActionFollowMe:
		return sw.SetFollowMe(ctx, by, user, a.Devices, a.Classes, uc.RingPatch{Enabled: a.Enabled, Delay: a.Delay, Timeout: a.Timeout})
	case uc.ActionGSM:
		return sw.SetGSM(ctx, by, user, on(a))
	case uc.ActionTeamLogin:
		return sw.TeamLogin(ctx, by, user, a.Team)
	case uc.ActionTeamLogout:
		return sw.TeamLogout(ctx, by, user, a.Team)
	case uc.ActionTeamPause:
		return sw.TeamPause(ctx, by, user, a.Team, a.Reason)
	case uc.ActionTeamUnpause:
		return sw.TeamUnpause(ctx, by, user, a.Team)
	case uc.ActionSetWorkplace:
		return sw.SetWorkplace(ctx, by, user, a.Location)
	case uc.ActionUnsetWorkplace:
		return sw.UnsetWorkplace(ctx, by, user)
	case uc.ActionSetRedirect:
		return sw.SetForwarding(ctx, by, user, forwardKind(a), forwardClass(a), a.Target)
	case uc.ActionUnsetRedirect:
		return sw.UnsetForwarding(ctx, by, user, forwardKind(a), forwardClass(a))
	case uc.ActionText:
		return sw.SetStatusText(ctx, by, user, a.Text)
	case uc.ActionWebhook:
		return nil, e.webhooks.post(ctx, a.URL, s.Personal, e.notice(entry, s.Enter))
	case uc.ActionMessage:
		if e.messenger == nil {
			return nil, uc.Errorf(uc.ErrUnavailable, "no messenger")
		}
		return nil, e.messenger.SendMessage(ctx, a.Target, a.Text)
	}
	return nil, uc.Errorf(uc.ErrInvalid, "%q is not an action", a.Kind)
}

// inWords makes an error fit for the journal, which users read.
func (e *Engine) inWords(err error) string {
	var known *uc.Error
	switch {
	case errors.As(err, &known):
		return known.Text
	case errors.Is(err, context.DeadlineExceeded):
		return "it took too long"
	}
	return "internal error"
}

func on(a *uc.Action) bool { return a.Enabled == nil || *a.Enabled }

func forwardKind(a *uc.Action) uc.ForwardKind {
	if a.Forward == "" {
		return uc.ForwardAlways
	}
	return a.Forward
}

func forwardClass(a *uc.Action) uc.ForwardClass {
	if a.Class == "" {
		return uc.ForwardBoth
	}
	return a.Class
}
