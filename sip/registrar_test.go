package sip

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

// TestRestart has a phone's binding over UDP survive a restart, and one over TCP not.
func TestRestart(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	udp, tcp := w.dial(t, "udp", annaDesk), w.dial(t, "tcp", annaSoft)
	for _, p := range []*wire{udp, tcp} {
		if err := p.register(ctx); err != nil {
			t.Fatal(err)
		}
	}
	cfg := w.cfg
	cfg.UDP = w.Addrs().UDP.String()
	w.stop()
	if n := w.store.savedBindings(); n != 2 {
		t.Fatalf("%d bindings are saved", n)
	}
	w.start(t, cfg)
	if !w.Registered(annaDesk) || w.Registered(annaSoft) {
		t.Errorf("after the restart: %+v", w.Registrations())
	}
	caller := w.phone(t, benDesk)
	go func() { _ = caller.Call(ctx, "12", nil) }() // nobody answers
	if m := udp.expect(t, ctx, "INVITE"); !strings.Contains(m, "anna-desk@"+udp.conn.LocalAddr().String()) {
		t.Errorf("invited as %s", m)
	}
}

// TestConnectionLost drops what was registered over a connection when it closes.
func TestConnectionLost(t *testing.T) {
	w := newWorld(t, nil)
	phone := w.dial(t, "tcp", annaDesk)
	if err := phone.register(deadline(t)); err != nil {
		t.Fatal(err)
	}
	events := w.bus.Subscribe(10, uc.RegistrationChanged{})
	if !w.Registered(annaDesk) {
		t.Fatal("not registered")
	}
	phone.Close()
	await(t, events, func(e uc.RegistrationChanged) bool { return e.Device == annaDesk && e.Contacts == 0 })
}

// TestExpiry runs the registrar in virtual time: a binding ends when its time is over, not before, and
// leaves the store.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, store := bus.New(), newMemoryStore()
		g := newRegistrar(store, b, quiet, time.Now)
		events := b.Subscribe(10, uc.RegistrationChanged{})
		go g.tell(t.Context())
		go g.save(t.Context())
		device := &uc.Device{ID: annaDesk, SIPSecret: "s"}
		if _, fault := g.update(device, contactsOf(1, "sip:a@192.0.2.1", 120)); fault != nil {
			t.Fatal(fault)
		}
		await(t, events, func(e uc.RegistrationChanged) bool { return e.Contacts == 1 })
		time.Sleep(119 * time.Second)
		synctest.Wait()
		if len(g.contacts(annaDesk)) != 1 || store.savedBindings() != 1 {
			t.Fatal("ended too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		e, err, ok := events.TryNext()
		if !ok || err != nil || e.(uc.RegistrationChanged).Contacts != 0 {
			t.Errorf("told %+v, %v", e, err)
		}
		if len(g.contacts(annaDesk)) != 0 || store.savedBindings() != 0 {
			t.Error("still there")
		}
	})
}

// TestSaveAgain keeps what the store refused until it takes it.
func TestSaveAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemoryStore()
		store.fail = errors.New("disk full")
		g := newRegistrar(store, bus.New(), quiet, time.Now)
		go g.save(t.Context())
		if _, fault := g.update(&uc.Device{ID: annaDesk}, contactsOf(1, "sip:a@192.0.2.1", 3600)); fault != nil {
			t.Fatal(fault)
		}
		time.Sleep(10 * time.Second)
		store.mu.Lock()
		store.fail = nil
		store.mu.Unlock()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := store.savedBindings(); n != 1 {
			t.Errorf("%d bindings are saved", n)
		}
	})
}

// contactsOf is a REGISTER of one contact.
func contactsOf(cseq uint32, uri string, expires int) change {
	c := change{callID: "c", cseq: cseq, flow: &deadFlow{}}
	one := contactChange{value: "<" + uri + ">", expires: expires}
	if err := sip.ParseUri(uri, &one.target); err != nil {
		panic(err)
	}
	c.contacts = append(c.contacts, one)
	return c
}

func TestUpdate(t *testing.T) {
	g := newRegistrar(newMemoryStore(), bus.New(), quiet, time.Now)
	device := &uc.Device{ID: annaDesk}
	do := func(c change) ([]*binding, *fault) { return g.update(device, c) }
	if _, f := do(contactsOf(5, "sip:a@192.0.2.1", 600)); f != nil {
		t.Fatal(f)
	}
	if _, f := do(contactsOf(5, "sip:a@192.0.2.1", 600)); f == nil || f.status != 500 {
		t.Errorf("an overtaken REGISTER: %+v", f)
	}
	if list, f := do(contactsOf(6, "sip:a@192.0.2.1", 600)); f != nil || len(list) != 1 {
		t.Errorf("refresh: %v %+v", list, f)
	}
	moved := contactsOf(1, "sip:a@192.0.2.2", 600)
	moved.callID, moved.contacts[0].instance = "d", "urn:uuid:1"
	if list, _ := do(moved); len(list) != 2 {
		t.Errorf("a second contact: %v", list)
	}
	again := contactsOf(1, "sip:a@192.0.2.3", 600)
	again.callID, again.contacts[0].instance = "e", "urn:uuid:1"
	if list, _ := do(again); len(list) != 2 || list[1].target.Host != "192.0.2.3" {
		t.Errorf("the same phone at another address: %v", list)
	}
	for i := range 20 {
		c := contactsOf(1, fmt.Sprintf("sip:b@192.0.2.%d", i+10), 600)
		c.callID = fmt.Sprint(i)
		list, _ := do(c)
		if len(list) > maxContacts || list[len(list)-1].target.Host != fmt.Sprintf("192.0.2.%d", i+10) {
			t.Fatalf("%d contacts, the newest is %s", len(list), list[len(list)-1].Contact)
		}
	}
	gone := contactsOf(1, "sip:b@192.0.2.29", 0)
	gone.callID = "x"
	if list, _ := do(gone); len(list) != maxContacts-1 {
		t.Errorf("one was removed, %d are left", len(list))
	}
}
