package demo

import (
	"context"
	"fmt"
	"net/http"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/agent"
)

// stay brings the other department to work, so that the board has something to show after the demo:
// Ben is back from lunch, David talks to Eva, who is on the road, and Finn is in a Teams meeting.
func (s *stage) stay(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	s.title("The others come to work")
	for _, login := range []string{"david", "eva", "finn"} {
		if err := s.signIn(ctx, login); err != nil {
			return err
		}
	}
	if err := s.plugInPhones(ctx); err != nil {
		return err
	}
	for _, login := range []string{"ben", "david"} {
		if err := s.chooseNamed(ctx, login, "Office"); err != nil {
			return err
		}
	}
	if err := s.chooseNamed(ctx, "eva", "Mobile only"); err != nil {
		return err
	}
	if err := s.teams(ctx, "finn", "Busy", "InAConferenceCall"); err != nil {
		return err
	}
	answered := s.dial(ctx, "david desk", "42")
	if _, err := s.phones["eva mobile"].WaitFor(ctx, agent.Ringing); err != nil {
		return err
	}
	if err := s.phones["eva mobile"].Answer(); err != nil {
		return err
	}
	if err := <-answered; err != nil {
		return err
	}
	return s.sees(ctx, "david", "finn", with("dnd", "Busy"))
}

// chooseNamed switches somebody's profile by hand to the one of that name.
func (s *stage) chooseNamed(ctx context.Context, login, name string) error {
	p, err := s.profile(ctx, name)
	if err != nil {
		return err
	}
	return s.choose(ctx, login, p.ID)
}

func (s *stage) profile(ctx context.Context, name string) (uc.Profile, error) {
	var profiles []uc.Profile
	if err := s.server.Do(ctx, http.MethodGet, "/api/v1/profiles", nil, &profiles); err != nil {
		return uc.Profile{}, err
	}
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
	}
	return uc.Profile{}, fmt.Errorf("there is no profile %s", name)
}
