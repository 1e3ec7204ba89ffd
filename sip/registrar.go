package sip

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

// The limits of registrations (RFC 3261 §10.3).
const (
	defaultExpires = 3600 // seconds, if the phone names none
	minExpires     = 60
	maxExpires     = 7200
	maxContacts    = 10   // of one device; one more pushes out the one that was refreshed longest ago
	maxContactSize = 1024 // bytes of one Contact value
)

// binding is one registered contact of a device.
type binding struct {
	uc.Binding
	target    sip.Uri // the Contact's URI, where requests go
	flow      flow
	regID     string // of RFC 5626; empty if none
	secret    string // with which it was registered
	refreshed time.Time
}

// registrar holds the bindings of all devices. Run's goroutines expire and save them and tell of
// changes; everything else may be called from anywhere and does not block.
type registrar struct {
	store Store
	bus   *bus.Bus
	log   *slog.Logger
	now   func() time.Time

	mu      sync.RWMutex
	devices map[uc.DeviceID][]*binding
	changed map[uc.DeviceID]bool      // to be told of
	unsaved map[bindingKey]savedState // to be saved
	due     time.Time                 // when something may expire
	wake    chan struct{}             // one token: look at changed and due
	dirty   chan struct{}             // one token: look at unsaved
}

type bindingKey struct {
	device  uc.DeviceID
	contact string
}

type savedState struct {
	uc.Binding
	gone bool
}

func newRegistrar(store Store, b *bus.Bus, log *slog.Logger, now func() time.Time) *registrar {
	return &registrar{
		store: store, bus: b, log: log, now: now,
		devices: make(map[uc.DeviceID][]*binding),
		changed: make(map[uc.DeviceID]bool),
		unsaved: make(map[bindingKey]savedState),
		wake:    make(chan struct{}, 1),
		dirty:   make(chan struct{}, 1),
	}
}

// register handles REGISTER.
func (s *Server) register(r *request) {
	device := s.authenticate(r, sip.StatusUnauthorized)
	if device == nil {
		return
	}
	if r.To().Address.User != device.SIPUser {
		r.answer(sip.StatusForbidden, "Not Your Address Of Record")
		return
	}
	change, fault := readRegister(r)
	if fault != nil {
		r.refuse(fault)
		return
	}
	list, fault := s.registrar.update(device, change)
	if fault != nil {
		r.refuse(fault)
		return
	}
	res := response(r.Request, sip.StatusOK, "OK", "")
	now := s.deps.Now()
	for _, b := range list {
		left := int(b.Expires.Sub(now).Round(time.Second) / time.Second)
		res.AppendHeader(sip.NewHeader("Contact", b.Contact+";expires="+strconv.Itoa(max(left, 1))))
	}
	for _, p := range change.path {
		res.AppendHeader(sip.NewHeader("Path", p)) // RFC 3327 §5.3
	}
	if change.outbound {
		res.AppendHeader(sip.NewHeader("Require", "outbound")) // RFC 5626 §6
	}
	res.AppendHeader(sip.NewHeader("Supported", strings.Join(supported, ", ")))
	res.AppendHeader(sip.NewHeader("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")))
	r.respond(res)
}

// change is what one REGISTER asks for.
type change struct {
	contacts []contactChange
	all      bool // "*" with Expires 0
	callID   string
	cseq     uint32
	path     []string
	outbound bool // the phone asked for RFC 5626
	agent    string
	flow     flow
}

type contactChange struct {
	value    string // as received, without expires
	target   sip.Uri
	expires  int // seconds; 0 removes
	instance string
	regID    string
}

// readRegister reads the contacts of a REGISTER.
func readRegister(r *request) (change, *fault) {
	c := change{callID: r.CallID().Value(), cseq: r.CSeq().SeqNo, path: headers(r, "path"),
		agent: clean(header(r, "user-agent")), flow: r.flow}
	general := expiresOf(header(r, "expires"), defaultExpires)
	found := r.GetHeaders("contact")
	for _, h := range found {
		contact, ok := h.(*sip.ContactHeader)
		if !ok || len(h.Value()) > maxContactSize {
			return c, bad("Malformed Contact")
		}
		if contact.Address.Wildcard {
			// RFC 3261 §10.3 step 6: only alone and with Expires 0.
			if len(found) > 1 || header(r, "expires") != "0" {
				return c, bad("Wildcard Contact Needs Expires 0")
			}
			c.all = true
			return c, nil
		}
		one, fault := readContact(contact, general)
		if fault != nil {
			return c, fault
		}
		c.outbound = c.outbound || one.regID != "" && slices.Contains(tokens(r, "supported"), "outbound")
		c.contacts = append(c.contacts, one)
	}
	return c, nil
}

func readContact(h *sip.ContactHeader, general int) (contactChange, *fault) {
	if s := h.Address.Scheme; s != "sip" && s != "sips" || h.Address.Host == "" {
		return contactChange{}, bad("Contact Is No SIP URI")
	}
	expires := expiresOf(parameter(h.Params, "expires"), general)
	if expires > 0 && expires < minExpires {
		return contactChange{}, &fault423
	}
	kept := h.Clone()
	kept.Params = slices.DeleteFunc(kept.Params, func(p sip.HeaderKV) bool { return strings.EqualFold(p.K, "expires") })
	return contactChange{
		value:    kept.Value(),
		target:   *h.Address.Clone(),
		expires:  min(expires, maxExpires),
		instance: strings.Trim(parameter(h.Params, "+sip.instance"), `"`),
		regID:    parameter(h.Params, "reg-id"),
	}, nil
}

var fault423 = fault{status: sip.StatusIntervalToBrief, reason: "Interval Too Brief",
	header: [2]string{"Min-Expires", strconv.Itoa(minExpires)}}

// expiresOf reads a number of seconds. What is malformed counts as the default (RFC 3261 §10.2.1.1).
func expiresOf(text string, otherwise int) int {
	n, err := strconv.ParseUint(text, 10, 31)
	if errors.Is(err, strconv.ErrRange) {
		return 1<<31 - 1
	}
	if err != nil {
		return otherwise
	}
	return int(n)
}

// parameter returns the value of a header parameter, whatever the case of its name (RFC 3261 §7.3.1).
func parameter(p sip.HeaderParams, name string) string {
	for _, kv := range p {
		if strings.EqualFold(kv.K, name) {
			return kv.V
		}
	}
	return ""
}

// update applies a REGISTER to a device's bindings, all or nothing, and returns those it has then.
func (g *registrar) update(device *uc.Device, c change) ([]*binding, *fault) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expire(device.ID, now)
	list := slices.Clone(g.devices[device.ID])
	if c.all {
		list = nil
	}
	for _, one := range c.contacts {
		at := slices.IndexFunc(list, func(b *binding) bool { return b.sameAs(one) })
		if at >= 0 && list[at].CallID == c.callID && c.cseq <= list[at].CSeq {
			// RFC 3261 §10.3 step 7: an older request that was overtaken.
			return nil, &fault{status: sip.StatusInternalServerError, reason: "CSeq Out Of Order"}
		}
		if at >= 0 {
			list = slices.Delete(list, at, at+1)
		}
		if one.expires > 0 {
			list = append(list, newBinding(device, c, one, now))
		}
	}
	if len(list) > maxContacts {
		list = list[len(list)-maxContacts:] // refreshed ones stand at the end
	}
	g.replace(device.ID, list)
	return list, nil
}

func newBinding(device *uc.Device, c change, one contactChange, now time.Time) *binding {
	return &binding{
		Binding: uc.Binding{
			Device: device.ID, Contact: one.value, Transport: sip.NetworkToLower(c.flow.transport()),
			Source: c.flow.remote().String(), Agent: c.agent, CallID: c.callID, CSeq: c.cseq, Path: c.path,
			Instance: one.instance, Expires: now.Add(time.Duration(one.expires) * time.Second),
		},
		target: one.target, flow: c.flow, regID: one.regID, secret: device.SIPSecret, refreshed: now,
	}
}

// sameAs reports whether a contact of a REGISTER refreshes the binding: the same URI, or the same
// instance over the same numbered flow (RFC 5626 §6).
func (b *binding) sameAs(c contactChange) bool {
	if b.Instance != "" && b.Instance == c.instance && b.regID == c.regID {
		return true
	}
	return b.target.String() == c.target.String()
}

// replace sets a device's bindings and notes what has to be told and saved. mu is held.
func (g *registrar) replace(device uc.DeviceID, list []*binding) {
	before := g.devices[device]
	for _, b := range before {
		if !slices.ContainsFunc(list, func(n *binding) bool { return n.Contact == b.Contact }) {
			g.forget(b)
		}
	}
	for _, b := range list {
		if !slices.Contains(before, b) {
			g.unsaved[bindingKey{device, b.Contact}] = savedState{Binding: b.Binding}
			poke(g.dirty)
		}
		if g.due.IsZero() || b.Expires.Before(g.due) {
			g.due = b.Expires
			poke(g.wake)
		}
	}
	if describe(before) != describe(list) {
		g.changed[device] = true
		poke(g.wake)
	}
	if len(list) == 0 {
		delete(g.devices, device)
		return
	}
	g.devices[device] = list
}

// forget notes that a binding has to leave the store. mu is held.
func (g *registrar) forget(b *binding) {
	g.unsaved[bindingKey{b.Device, b.Contact}] = savedState{Binding: b.Binding, gone: true}
	poke(g.dirty)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// describe is what others learn of a device's bindings.
func describe(list []*binding) uc.Registration {
	if len(list) == 0 {
		return uc.Registration{}
	}
	last := list[len(list)-1]
	return uc.Registration{Device: last.Device, Contacts: len(list), Agent: last.Agent, Source: last.Source}
}

// expire drops a device's bindings whose time is over. mu is held.
func (g *registrar) expire(device uc.DeviceID, now time.Time) {
	g.keep(device, func(b *binding) bool { return now.Before(b.Expires) && b.flow.alive() })
}

// keep drops the bindings of a device that which refuses. mu is held.
func (g *registrar) keep(device uc.DeviceID, which func(*binding) bool) {
	list := slices.DeleteFunc(slices.Clone(g.devices[device]), func(b *binding) bool { return !which(b) })
	if len(list) != len(g.devices[device]) {
		g.replace(device, list)
	}
}

// contacts returns where a device can be reached now, the contact refreshed last first.
func (g *registrar) contacts(device uc.DeviceID) []*binding {
	now := g.now()
	g.mu.RLock()
	defer g.mu.RUnlock()
	var list []*binding
	for _, b := range g.devices[device] {
		if now.Before(b.Expires) && b.flow.alive() {
			list = append(list, b)
		}
	}
	slices.SortStableFunc(list, func(a, b *binding) int { return b.refreshed.Compare(a.refreshed) })
	return list
}

// registrations describes all devices that are registered, in the order of their identifiers.
func (g *registrar) registrations() []uc.Registration {
	g.mu.RLock()
	list := make([]uc.Registration, 0, len(g.devices))
	for _, bindings := range g.devices {
		list = append(list, describe(bindings))
	}
	g.mu.RUnlock()
	slices.SortFunc(list, func(a, b uc.Registration) int { return cmp.Compare(a.Device, b.Device) })
	return list
}

// flowClosed has what was registered over a connection that has ended dropped (RFC 5626 §4.2.1).
func (g *registrar) flowClosed() {
	g.mu.Lock()
	g.due = g.now()
	g.mu.Unlock()
	poke(g.wake)
}

// reconcile drops the bindings of devices that are gone or have a new secret. Only the devices named
// are looked at; with none, all.
func (g *registrar) reconcile(dir *uc.Directory, devices ...uc.DeviceID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(devices) == 0 {
		for device := range g.devices {
			devices = append(devices, device)
		}
	}
	for _, id := range devices {
		device := dir.Devices.Get(id)
		g.keep(id, func(b *binding) bool { return device != nil && device.SIPSecret == b.secret })
	}
}

// reconcileChange is reconcile for one change of the directory.
func (g *registrar) reconcileChange(e uc.DirectoryChanged) {
	var devices []uc.DeviceID
	for _, ref := range e.Changes {
		if ref.Kind == uc.KindDevice {
			devices = append(devices, uc.DeviceID(ref.ID))
		}
	}
	if len(devices) > 0 {
		g.reconcile(e.After, devices...)
	}
}

// restore loads the bindings of the time before a restart. Those over UDP can be used again; those over
// connections are gone with them.
func (g *registrar) restore(ctx context.Context, dir *uc.Directory, udp *udpSocket) error {
	saved, err := g.store.Bindings(ctx)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, old := range saved {
		b := reviveBinding(old, dir, udp, g.now())
		if b == nil {
			g.forget(&binding{Binding: old})
			continue
		}
		g.devices[b.Device] = append(g.devices[b.Device], b)
		g.changed[b.Device] = true
		if g.due.IsZero() || b.Expires.Before(g.due) {
			g.due = b.Expires
		}
	}
	poke(g.wake)
	return nil
}

// reviveBinding returns nil for a binding that cannot be used any more.
func reviveBinding(old uc.Binding, dir *uc.Directory, udp *udpSocket, now time.Time) *binding {
	device := dir.Devices.Get(old.Device)
	from, err := netip.ParseAddrPort(old.Source)
	if device == nil || udp == nil || err != nil || old.Transport != "udp" || !now.Before(old.Expires) {
		return nil
	}
	b := &binding{Binding: old, flow: udpFlow{udp, from}, secret: device.SIPSecret}
	var params sip.HeaderParams
	if _, err := sip.ParseAddressValue(old.Contact, &b.target, &params); err != nil {
		return nil
	}
	b.regID = parameter(params, "reg-id")
	return b
}

// tell expires bindings and publishes what has changed, until ctx ends.
func (g *registrar) tell(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next, changes := g.sweep()
		for _, c := range changes {
			g.bus.Publish(uc.RegistrationChanged{Registration: c})
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-g.wake:
		case <-ctx.Done():
			return
		}
	}
}

// sweep drops what has expired and returns when to look again, at least a second from now, and which
// registrations have changed since it was called last.
func (g *registrar) sweep() (time.Duration, []uc.Registration) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.due.IsZero() && !now.Before(g.due) {
		g.due = time.Time{}
		for device := range g.devices {
			g.expire(device, now)
			for _, b := range g.devices[device] {
				if g.due.IsZero() || b.Expires.Before(g.due) {
					g.due = b.Expires
				}
			}
		}
	}
	changes := make([]uc.Registration, 0, len(g.changed))
	for device := range g.changed {
		c := describe(g.devices[device])
		c.Device = device
		changes = append(changes, c)
	}
	clear(g.changed)
	wait := time.Hour
	if !g.due.IsZero() {
		wait = max(g.due.Sub(now), time.Second)
	}
	return wait, changes
}
