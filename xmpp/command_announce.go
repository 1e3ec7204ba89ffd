package xmpp

import (
	"cmp"
	"strconv"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

const maxAnnouncement = 10000 // bytes

func announcementField(name string, values ...string) field {
	return field{typ: "text-multi", name: name, label: "Text", values: values, required: true}
}

// announcement reads a text that is sent to many.
func announcement(in values, name string) (string, error) {
	text := in.text(name)
	if text == "" || len(text) > maxAnnouncement {
		return "", uc.FieldError(uc.ErrInvalid, name, "a text of at most %d bytes is needed", maxAnnouncement)
	}
	return text, nil
}

func announce(*call) (*page, error) { // XEP-0133 §4.24
	return asks(adminForm("Send an announcement", "Everybody who is online is sent it.", announcementField("announcement")), func(c *call, in values) (*page, error) {
		text, err := announcement(in, "announcement")
		if err != nil {
			return nil, err
		}
		if err := c.record("sent an announcement"); err != nil {
			return nil, err
		}
		return &page{note: "Sent to clients: " + strconv.Itoa(c.server.announce("Announcement", text))}, nil
	}), nil
}

// record writes down what an administrator did that is no change of the directory.
func (c *call) record(text string) error {
	return c.server.deps.Store.AddAudit(c.ctx, uc.AuditEntry{Time: c.now, By: c.by(), Text: text})
}

func setMOTD(c *call) (*page, error) { // XEP-0133 §4.25
	return asks(adminForm("Message of the day", "Everybody is sent it: who is online now, the others when they come.", announcementField("motd")), func(c *call, in values) (*page, error) {
		text, err := announcement(in, "motd")
		if err != nil {
			return nil, err
		}
		if err := c.record("set the message of the day"); err != nil {
			return nil, err
		}
		m := &motd{Text: text, Set: c.now}
		if err := c.server.putMOTD(c.ctx, m); err != nil {
			return nil, err
		}
		c.server.tellMOTD(m)
		return &page{note: "The message of the day was set and sent."}, nil
	}), nil
}

func editMOTD(c *call) (*page, error) { // XEP-0133 §4.26
	before := c.server.motd.Load()
	if before == nil {
		return nil, uc.Errorf(uc.ErrNotFound, "there is no message of the day")
	}
	return asks(adminForm("Message of the day", "Who has been told it is not told again.", announcementField("motd", before.Text)), func(c *call, in values) (*page, error) {
		text, err := announcement(in, "motd")
		if err != nil {
			return nil, err
		}
		if err := c.record("changed the message of the day"); err != nil {
			return nil, err
		}
		if err := c.server.putMOTD(c.ctx, &motd{Text: text, Set: before.Set}); err != nil {
			return nil, err
		}
		return &page{note: "The message of the day was changed."}, nil
	}), nil
}

func deleteMOTD(c *call) (*page, error) { // XEP-0133 §4.27
	if c.server.motd.Load() == nil {
		return &page{note: "There is no message of the day."}, nil
	}
	if err := c.record("deleted the message of the day"); err != nil {
		return nil, err
	}
	if err := c.server.putMOTD(c.ctx, nil); err != nil {
		return nil, err
	}
	return &page{note: "The message of the day was deleted."}, nil
}

// mayStop says who may restart and stop the server.
func mayStop(c *call) bool { return c.server.deps.Stop != nil && administers(uc.LevelSystem)(c) }

// maxStopDelay is the longest delay of a restart that a form may ask for.
const maxStopDelay = time.Hour

// stopServer asks how long to wait and what to tell people (XEP-0133 §4.30, §4.31).
func stopServer(_ *call, again bool) (*page, error) {
	title := "Stop the server"
	if again {
		title = "Restart the server"
	}
	delay := field{typ: "list-single", name: "delay", label: "In", values: []string{"60"}}
	for _, d := range []time.Duration{0, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute} {
		delay.options = append(delay.options, option{strconv.Itoa(int(d / time.Second)), cmp.Or(map[time.Duration]string{0: "no time"}[d], d.String())})
	}
	text := announcementField("announcement")
	text.required = false
	return asks(adminForm(title, "Everybody who is online is told.", delay, text), func(c *call, in values) (*page, error) {
		seconds, err := strconv.Atoi(in.one("delay"))
		after := time.Duration(seconds) * time.Second
		if err != nil || after < 0 || after > maxStopDelay {
			return nil, uc.FieldError(uc.ErrInvalid, "delay", "the delay must be from 0 to %d seconds", int(maxStopDelay/time.Second))
		}
		return c.stopIn(after, again, in.text("announcement"))
	}), nil
}

func (c *call) stopIn(after time.Duration, again bool, text string) (*page, error) {
	s, what := c.server, "stops"
	if again {
		what = "restarts"
	}
	if !s.stopping.CompareAndSwap(false, true) {
		return nil, uc.Errorf(uc.ErrConflict, "the server is about to stop already")
	}
	if err := c.record("asked that the server " + what[:len(what)-1]); err != nil {
		s.stopping.Store(false)
		return nil, err
	}
	s.announce("Announcement", cmp.Or(text, "The server "+what+" in "+after.String()+"."))
	s.workers.Go(func() {
		timer := time.NewTimer(max(after, stopGrace))
		defer timer.Stop()
		select {
		case <-timer.C:
			s.deps.Stop(again)
		case <-s.ctx.Done():
		}
	})
	return &page{note: "The server " + what + " in " + after.String() + "."}, nil
}

// stopGrace lets the answer to the administrator go out.
const stopGrace = 200 * time.Millisecond
