package presence

import (
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// OnThePhone is the status text of somebody in a call.
const OnThePhone = "On the phone"

// Facts is all that one user's presence is computed from.
type Facts struct {
	User       uc.UserID
	Resources  []uc.Resource
	Calls      []uc.Call // those with a leg of the user, ended ones excepted
	Registered bool      // at least one endpoint of the user is registered
	Profile    *uc.Profile
	State      uc.ProfileState
	Live       uc.UserState
}

// Reduce computes a user's presence. It is a pure function; Version is left zero.
func Reduce(f Facts) uc.Presence {
	p := uc.Presence{
		User:      f.User,
		Phone:     phone(f),
		Profile:   profileView(f),
		Reason:    f.State.Reason,
		Workplace: f.Live.Workplace,
		Resources: f.Resources,
	}
	if n := len(f.State.Overlays); n > 0 {
		p.Confidential = f.State.Overlays[n-1].Kind == uc.CauseTeams
	}
	if p.Phone == uc.PhoneBusy {
		p.Call = callView(f)
	}
	p.Floor = floor(f, p.Phone)
	p.Show, p.Text = compose(f, p)
	return p
}

// floor is the part of the presence that the server lays over each client's own.
func floor(f Facts, state uc.PhoneState) uc.Floor {
	fl := uc.Floor{Show: uc.ShowAvailable, StatusText: f.Live.StatusText}
	if f.Profile != nil {
		fl.Show = max(fl.Show, f.Profile.Show)
		if fl.StatusText == "" {
			fl.StatusText = f.Profile.Text
		}
	}
	if state == uc.PhoneBusy {
		fl.Show, fl.CallText = uc.ShowDND, OnThePhone
	}
	return fl
}

// compose lays the floor over what the clients say together. Somebody without a client is available by
// phone as long as one is registered.
func compose(f Facts, p uc.Presence) (uc.Show, string) {
	show, status := clients(f.Resources)
	if show == uc.ShowOffline {
		if p.Phone == uc.PhoneUnreachable {
			return uc.ShowOffline, ""
		}
		show = uc.ShowAvailable
	}
	return p.Floor.Compose(show, status)
}

// clients takes all clients of a user together: "do not disturb" at one of them counts for all, else the
// most available one speaks for the user.
func clients(resources []uc.Resource) (uc.Show, string) {
	show, status := uc.ShowOffline, ""
	for _, r := range resources {
		if r.Show == uc.ShowDND {
			return uc.ShowDND, r.Status
		}
		if show == uc.ShowOffline || r.Show < show {
			show, status = r.Show, r.Status
		}
	}
	return show, status
}

func phone(f Facts) uc.PhoneState {
	ringing := false
	for i := range f.Calls {
		for _, leg := range f.Calls[i].Legs {
			switch {
			case leg.User != f.User || leg.State == uc.LegEnded:
			case leg.Caller, leg.State == uc.LegAnswered, leg.State == uc.LegHeld:
				return uc.PhoneBusy
			case leg.State == uc.LegRinging:
				ringing = true
			}
		}
	}
	switch {
	case ringing:
		return uc.PhoneRinging
	case f.Registered:
		return uc.PhoneFree
	}
	return uc.PhoneUnreachable
}

// callView shows the call that the user has been in longest.
func callView(f Facts) *uc.CallView {
	var view *uc.CallView
	for i := range f.Calls {
		c := &f.Calls[i]
		for _, leg := range c.Legs {
			active := leg.User == f.User && leg.State != uc.LegEnded && leg.State != uc.LegRinging && leg.State != uc.LegTrying
			calling := leg.User == f.User && leg.Caller && leg.State != uc.LegEnded
			if (active || calling) && (view == nil || c.Began.Before(view.Since)) {
				view = &uc.CallView{ID: c.ID, Peer: peer(c, leg), Since: since(c)}
			}
		}
	}
	return view
}

// since is when the talk began, or for who is still calling, the call.
func since(c *uc.Call) time.Time {
	if c.Answered.IsZero() {
		return c.Began
	}
	return c.Answered
}

func peer(c *uc.Call, own uc.Leg) string {
	other := c.Caller
	if own.Caller {
		other = c.Called
	}
	if other.Name != "" {
		return other.Name
	}
	return other.Number
}

func profileView(f Facts) *uc.ProfileView {
	if f.Profile == nil {
		return nil
	}
	v := &uc.ProfileView{ID: f.Profile.ID, Name: f.Profile.Name, Color: f.Profile.Color, Since: f.State.Since}
	if f.Profile.IconVisible {
		v.Icon = f.Profile.Icon
	}
	return v
}
