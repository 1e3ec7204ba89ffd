package profiles

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// state is all that is stored of one user. It is treated as a value: whoever changes a slice or map of
// it replaces it.
type state struct {
	uc.ProfileState // its Memory is empty; see stored
	memory
}

// memory is the part of the state that only the engine reads.
type memory struct {
	// Checked is until when the clock has been followed: timed switches up to here were applied or dropped.
	Checked time.Time `json:"checked,omitzero"`
	// Held are triggers that are on but have no overlay until their next start.
	Held []held `json:"held,omitempty"`
	// Left says since when Teams reports no meeting for a profile whose trigger is still counted as on.
	Left map[uc.ProfileID]time.Time `json:"left,omitempty"`
	// Visit is what must be known to leave the profile in effect.
	Visit visit `json:"visit,omitzero"`
	// Steps are what the actions of the last journal entry do, while they run.
	Steps []step `json:"steps,omitempty"`
	// Before is where one undo leads; nil if there is nothing to undo.
	Before *before `json:"before,omitempty"`
}

// held is one occurrence of a trigger that was ended by hand or held off by a sticky base.
type held struct {
	Profile uc.ProfileID `json:"profile"`
	Kind    uc.CauseKind `json:"kind"`           // CauseWindow or CauseTeams
	Start   time.Time    `json:"start,omitzero"` // of a window
}

// visit is one stay in a profile. The leave list is a copy, for a profile that is deleted meanwhile.
type visit struct {
	Name     string      `json:"name,omitempty"`
	Leave    []uc.Action `json:"leave,omitempty"`
	Undo     bool        `json:"undo,omitempty"`     // undo on leave
	Personal bool        `json:"personal,omitempty"` // see webhooks.post
	Changes  []uc.Change `json:"changes,omitempty"`  // made by the enter actions
	Text     string      `json:"text,omitempty"`     // presence text set by the enter actions
}

// before is the state before the last switch.
type before struct {
	Base     uc.Base      `json:"base"`
	Overlays []uc.Overlay `json:"overlays,omitempty"`
	Visit    visit        `json:"visit,omitzero"`
}

// initial is the state of a user never seen.
func initial(user uc.UserID) state {
	s := state{}
	s.User = user
	s.Effective = uc.ProfileAvailable
	s.Base.Profile = uc.ProfileAvailable
	return s
}

// top returns the profile that the stack puts into effect.
func (s *state) top() uc.ProfileID {
	if n := len(s.Overlays); n > 0 {
		return s.Overlays[n-1].Profile
	}
	return s.Base.Profile
}

// restore makes the state of what the store gave.
func restore(st uc.ProfileState) (state, error) {
	s := state{ProfileState: st}
	s.Memory = nil
	if len(st.Memory) == 0 {
		return s, nil
	}
	return s, json.Unmarshal(st.Memory, &s.memory)
}

// stored returns the state in the form that the store keeps.
func (s *state) stored() (uc.ProfileState, error) {
	notes, err := json.Marshal(&s.memory)
	if err != nil {
		return uc.ProfileState{}, err
	}
	st := s.ProfileState
	st.Memory = notes
	return st, nil
}

// sameVisible reports whether others see no difference between two states.
func sameVisible(a, b *state) bool {
	return a.Effective == b.Effective && a.Reason == b.Reason && sameBase(&a.Base, &b.Base) && slices.EqualFunc(a.Overlays, b.Overlays, sameOverlay)
}

func sameBase(a, b *uc.Base) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Profile == b.Profile && a.Cause == b.Cause && a.Since.Equal(b.Since) && a.Until.Equal(b.Until) && sameBase(a.Before, b.Before)
}

func sameOverlay(a, b uc.Overlay) bool {
	return a.Profile == b.Profile && a.Kind == b.Kind && a.Key == b.Key && a.Text == b.Text && a.Since.Equal(b.Since)
}

func sameHeld(a, b held) bool {
	return a.Profile == b.Profile && a.Kind == b.Kind && a.Start.Equal(b.Start)
}
