package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/agent"
)

func title(login string) string { return strings.ToUpper(login[:1]) + login[1:] }

// What a colleague's presence can be waited for to be. The /phone resource is left aside where only
// chat clients count.

func available(s status) bool { return s.Resource != "phone" && s.Show == "" }

func onThePhone(s status) bool {
	return s.Show == "dnd" && strings.Contains(strings.ToLower(s.Text), "on the phone")
}

func with(show, text string) func(status) bool {
	return func(s status) bool {
		return s.Resource != "phone" && s.Show == show && strings.Contains(strings.ToLower(s.Text), strings.ToLower(text))
	}
}

// sees waits until one person's chat client shows another as described.
func (s *stage) sees(ctx context.Context, who, whom string, as func(status) bool) error {
	st, err := s.chats[who].waitFor(ctx, whom, as)
	if err != nil {
		return err
	}
	s.done("%s sees %s/%s: %s", title(who), whom, st.Resource, st)
	return nil
}

// dial calls from a telephone; the channel yields once the call is answered or refused.
func (s *stage) dial(ctx context.Context, phone, extension string) <-chan error {
	answered := make(chan error, 1)
	go func() { answered <- s.phones[phone].Call(ctx, extension, nil) }()
	return answered
}

// hear waits until each of the telephones receives audio.
func (s *stage) hear(ctx context.Context, phones ...string) error {
	for _, name := range phones {
		for s.phones[name].Heard() == 0 {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("%s hears nothing: %w", name, ctx.Err())
			}
		}
	}
	s.done("they hear each other")
	return nil
}

// silent fails if one of the telephones has rung since it was last listened to.
func (s *stage) silent(phones ...string) error {
	for _, name := range phones {
		for heard := s.phones[name].Events(); len(heard) > 0; {
			if e := <-heard; e.Kind == agent.Ringing {
				return fmt.Errorf("%s rang", name)
			}
		}
	}
	return nil
}

// clock moves the server's clock on to the next time that it shows at.
func (s *stage) clock(ctx context.Context, at string) error {
	if err := s.server.Do(ctx, http.MethodPost, "/control/clock", map[string]string{"at": at}, &s.info); err != nil {
		return err
	}
	s.done("the demo clock shows %s", s.info.Now.Format("Monday 15:04"))
	return nil
}

// choose switches somebody's profile by hand.
func (s *stage) choose(ctx context.Context, login string, profile uc.ProfileID) error {
	path := fmt.Sprintf("/api/v1/users/%d/profile", s.info.Demo.Users[login])
	return s.server.Do(ctx, http.MethodPost, path, map[string]any{"profile": profile}, nil)
}

// teams sets what Microsoft's cloud says of somebody.
func (s *stage) teams(ctx context.Context, login, availability, activity string) error {
	body, err := json.Marshal(map[string]string{"availability": availability, "activity": activity})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.info.Demo.Cloud+"/control/presence/"+login+mailDomain, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("stand-in for Microsoft's cloud: %s", res.Status)
	}
	s.done("Microsoft says of %s: %s, %s", title(login), availability, activity)
	return nil
}

// contacts lists a client's contacts as its roster has them.
func (c *chat) contacts() string {
	names := make([]string, 0, len(c.roster))
	for jid, groups := range c.roster {
		names = append(names, strings.SplitN(jid, "@", 2)[0]+" "+groups)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
