// Package demo founds a demo company and plays the main job against a running server: people sign in
// with real XMPP sessions, their telephones register and ring as real SIP agents, a stand-in for
// Microsoft's cloud begins and ends a Teams meeting, and it becomes time for lunch. Every step waits for
// what a colleague sees; the first that does not happen is the error.
package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/app"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/agent"
)

const (
	stepLimit = 30 * time.Second
	lateLimit = 2 * time.Minute // of the step that waits for the clock
	dayBegins = "11:58:00"
	lunchtime = "12:00:00"
)

// Play plays the demo against the server with the given data folder. Lunch begins at the next full minute,
// or, if noon is set, at noon: the server's clock is then moved there, and shows what is still to come.
func Play(ctx context.Context, data string, noon bool, out io.Writer) error {
	s, err := newStage(ctx, data, out)
	if err != nil {
		return err
	}
	defer s.close()
	s.noon = noon
	return s.play(ctx)
}

// stage is where the demo is played: the server, and who and what takes part.
type stage struct {
	*printer
	noon   bool
	server *app.Client
	info   app.Info
	trust  *tls.Config
	chats  map[string]*chat
	phones map[string]*agent.Agent // "anna desk"
}

func newStage(ctx context.Context, data string, out io.Writer) (*stage, error) {
	s := &stage{printer: newPrinter(out), server: app.NewClient(data),
		chats: make(map[string]*chat), phones: make(map[string]*agent.Agent)}
	var err error
	if s.info, err = s.server.Info(ctx); err != nil {
		return nil, err
	}
	if s.info.Demo == nil {
		return nil, errors.New("the server has no demo company: start it with rolecall try")
	}
	pem, err := os.ReadFile(s.info.Certificate)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	s.trust = &tls.Config{RootCAs: roots, ServerName: s.info.Domain, MinVersion: tls.VersionTLS12}
	return s, nil
}

func (s *stage) close() {
	for _, c := range s.chats {
		c.close()
	}
	for _, p := range s.phones {
		p.Close()
	}
}

// play goes through the acts.
func (s *stage) play(ctx context.Context) error {
	for _, act := range []struct {
		title string
		run   func(context.Context) error
		limit time.Duration
	}{
		{"Anna and Ben come online", s.arrive, stepLimit},
		{"Their telephones register", s.plugIn, stepLimit},
		{"Ben calls Anna", s.call, stepLimit},
		{"Anna goes into a Teams meeting", s.meeting, stepLimit},
		{"The meeting ends", s.meetingEnds, stepLimit},
		{"Time for lunch", s.lunch, lateLimit},
		{"What the server remembers", s.remember, stepLimit},
	} {
		s.title("%s", act.title)
		limited, cancel := context.WithTimeout(ctx, act.limit)
		err := act.run(limited)
		cancel()
		if err != nil {
			s.failed(err)
			return fmt.Errorf("%s: %w", strings.ToLower(act.title[:1])+act.title[1:], err)
		}
	}
	return nil
}

func (s *stage) arrive(ctx context.Context) error {
	if s.noon {
		if err := s.clock(ctx, dayBegins); err != nil {
			return err
		}
	}
	if err := s.teams(ctx, "anna", "Available", "Available"); err != nil {
		return err
	}
	for _, login := range []string{"anna", "ben", "clara"} {
		// By hand, so that it also holds where the demo is played at noon.
		if err := s.choose(ctx, login, uc.ProfileAvailable); err != nil {
			return err
		}
		if err := s.signIn(ctx, login); err != nil {
			return err
		}
	}
	return s.sees(ctx, "ben", "anna", available)
}

func (s *stage) signIn(ctx context.Context, login string) error {
	c, err := connect(ctx, s.info.XMPP, s.trust, login, s.info.Domain, s.info.Demo.Password)
	if err != nil {
		return err
	}
	s.chats[login] = c
	s.done("%s is online as %s; contacts by role: %s", title(login), c.addr, c.contacts())
	return nil
}

// plugInPhones registers the desk phones and mobiles of all who are online.
func (s *stage) plugInPhones(ctx context.Context) error {
	for _, p := range s.info.Demo.Phones {
		if s.chats[p.Login] == nil || p.Kind == uc.DeviceSoftphone || s.phones[p.Login+" "+string(p.Kind)] != nil {
			continue
		}
		phone, err := agent.Listen(agent.Options{Name: title(p.Login), User: p.User, Secret: p.Secret, Domain: s.info.Domain, Server: s.info.SIP})
		if err != nil {
			return err
		}
		name := p.Login + " " + string(p.Kind)
		s.phones[name] = phone
		if err := phone.Register(ctx, 3600); err != nil {
			return fmt.Errorf("%s registers: %w", name, err)
		}
		s.done("%s is registered", name)
	}
	return nil
}

func (s *stage) plugIn(ctx context.Context) error {
	if err := s.plugInPhones(ctx); err != nil {
		return err
	}
	return s.sees(ctx, "ben", "anna", func(st status) bool { return st.Resource == "phone" && st.Show == "" })
}

func (s *stage) call(ctx context.Context) error {
	answered := s.dial(ctx, "ben desk", "12")
	for _, name := range []string{"anna desk", "anna mobile"} {
		e, err := s.phones[name].WaitFor(ctx, agent.Ringing)
		if err != nil {
			return err
		}
		s.done("%s rings, showing %q", name, e.From)
	}
	if err := s.phones["anna mobile"].Answer(); err != nil {
		return err
	}
	if err := <-answered; err != nil {
		return err
	}
	s.done("Anna answers on the mobile")
	e, err := s.phones["anna desk"].WaitFor(ctx, agent.Canceled)
	if err != nil {
		return err
	}
	if !strings.Contains(e.Text, "elsewhere") {
		return fmt.Errorf("the desk phone was told %q instead of that the call was answered elsewhere", e.Text)
	}
	s.done("her desk phone is told that the call was answered elsewhere")
	for _, login := range []string{"anna", "ben"} {
		if err := s.sees(ctx, "clara", login, onThePhone); err != nil {
			return err
		}
	}
	if err := s.hear(ctx, "anna mobile", "ben desk"); err != nil {
		return err
	}
	if err := s.phones["ben desk"].Hangup(ctx); err != nil {
		return err
	}
	if _, err := s.phones["anna mobile"].WaitFor(ctx, agent.Ended); err != nil {
		return err
	}
	s.done("Ben hangs up")
	return s.sees(ctx, "ben", "anna", available)
}

func (s *stage) meeting(ctx context.Context) error {
	if err := s.teams(ctx, "anna", "Busy", "InACall"); err != nil {
		return err
	}
	began := time.Now()
	if err := s.sees(ctx, "clara", "anna", with("dnd", "Teams")); err != nil {
		return err // Clara supervises
	}
	if err := s.sees(ctx, "ben", "anna", with("dnd", "Busy")); err != nil {
		return err
	}
	s.line("%.1f s after Microsoft knew", time.Since(began).Seconds())
	answered := s.dial(ctx, "ben desk", "12")
	e, err := s.phones["clara desk"].WaitFor(ctx, agent.Ringing)
	if err != nil {
		return err
	}
	s.done("Ben calls Anna, and Clara's desk phone rings, showing %q: Anna's profile redirects to her", e.From)
	if err := s.phones["clara desk"].Answer(); err != nil {
		return err
	}
	if err := <-answered; err != nil {
		return err
	}
	if err := s.silent("anna desk", "anna mobile"); err != nil {
		return err
	}
	s.done("Anna's phones stay silent")
	if err := s.phones["clara desk"].Hangup(ctx); err != nil {
		return err
	}
	_, err = s.phones["ben desk"].WaitFor(ctx, agent.Ended)
	return err
}

func (s *stage) meetingEnds(ctx context.Context) error {
	if err := s.teams(ctx, "anna", "Available", "Available"); err != nil {
		return err
	}
	return s.sees(ctx, "ben", "anna", available)
}

func (s *stage) lunch(ctx context.Context) error {
	if err := s.callToLunch(ctx); err != nil {
		return err
	}
	return s.sees(ctx, "ben", "anna", with("away", "lunch"))
}

// callToLunch makes the clock strike: the server's is moved to noon, or the window of the profile is put to
// where the clock will be in a moment.
func (s *stage) callToLunch(ctx context.Context) error {
	if s.noon {
		return s.clock(ctx, lunchtime)
	}
	lunch, err := s.profile(ctx, "Lunch")
	if err != nil {
		return err
	}
	info, err := s.server.Info(ctx)
	if err != nil {
		return err
	}
	begin := info.Now.Truncate(time.Minute).Add(time.Minute)
	if begin.Sub(info.Now) < 3*time.Second { // it is to be stored before
		begin = begin.Add(time.Minute)
	}
	// The one of an earlier demo is in the way: only those of every day stay.
	lunch.Triggers = slices.DeleteFunc(lunch.Triggers, func(t uc.Trigger) bool { return t.Date != "" })
	lunch.Triggers = append(lunch.Triggers, uc.Trigger{
		Kind: uc.TriggerTimed, At: begin.Format("15:04"), End: begin.Add(time.Hour).Format("15:04"), Date: begin.Format(time.DateOnly),
	})
	if err := s.server.Do(ctx, http.MethodPut, fmt.Sprintf("/api/v1/profiles/%d", lunch.ID), lunch, nil); err != nil {
		return err
	}
	s.done("The profile Lunch has a window today at %s, in %.0f s", begin.Format("15:04"), begin.Sub(info.Now).Seconds())
	return nil
}

func (s *stage) remember(ctx context.Context) error {
	anna := s.info.Demo.Users["anna"]
	var journal []uc.JournalEntry
	if err := s.server.Do(ctx, http.MethodGet, fmt.Sprintf("/api/v1/journal?user=%d&limit=5", anna), nil, &journal); err != nil {
		return err
	}
	if len(journal) < 3 {
		return fmt.Errorf("the journal has %d entries of Anna, want at least 3", len(journal))
	}
	s.done("Anna's journal, newest first:")
	for _, e := range journal {
		s.line("%s  %s → %s: %s", e.Time.Local().Format("15:04:05"), e.FromName, e.ToName, e.Reason)
		for _, a := range e.Actions {
			s.line("            %s: %s", a.Action, strings.TrimSpace(a.Result+" "+a.Error))
		}
	}
	var plan uc.Plan
	if err := s.server.Do(ctx, http.MethodGet, "/api/v1/explain?from=34&to=12", nil, &plan); err != nil {
		return err
	}
	if len(plan.Lines) == 0 {
		return errors.New("explain says nothing")
	}
	s.done("Who would ring if 34 called 12 now?")
	for _, l := range plan.Lines {
		s.line("%-11s %s (%s)", l.Step, l.Text, l.Because)
	}
	return nil
}
