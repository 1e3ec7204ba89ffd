// Package plan decides what a call does: who rings, from when and for how long, where it is forwarded
// to, or why it is rejected. [Make] is a pure function of the call, a snapshot of the directory and the
// live state; routing of live calls, the explain command and the tests use this same one. It knows no
// SIP message and starts no goroutine.
//
// For a call to a user the order is: caller, before-actions, forwarding always, busy, endpoints, ring;
// and when the ringing has come to nothing: forwarding of that status, after-actions, rejection. Each
// step leaves a line that names the setting, role or profile that caused it. The same request on the
// same snapshot and live state always gives the same plan.
package plan

import (
	"slices"
	"strconv"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// The steps of a plan, as they stand in its lines.
const (
	stepCaller   = "caller"
	stepBefore   = "before"
	stepForward  = "forwarding"
	stepBusy     = "busy"
	stepEndpoint = "endpoint"
	stepRing     = "ring"
	stepAfter    = "after"
	stepResult   = "result"
)

// maxVisits is how many extensions a call may visit. Loops are cut anyway; this bounds long chains.
const maxVisits = 20

// Make works out the plan of a call. It never fails: what cannot be reached is an [uc.OutcomeReject].
func Make(req uc.PlanRequest, dir *uc.Directory, live uc.Live) uc.Plan {
	m := maker{req: req, dir: dir, live: live}
	m.plan.Lines = make([]uc.PlanLine, 0, 8)
	m.plan.Path = append(make([]string, 0, len(req.Path)+1), req.Path...)
	m.identify()
	status := req.After
	for to := req.To; to != ""; status = uc.StatusNone {
		to = m.visit(to, status)
	}
	if m.plan.Outcome == "" {
		m.reject(404, "Not Found", "no extension was dialed")
	}
	return m.plan
}

// Next is the request for what follows when ringing by a plan has come to nothing.
func Next(req uc.PlanRequest, p uc.Plan, after uc.CallStatus, now time.Time) uc.PlanRequest {
	if p.Called.Number != req.To {
		req.Team = 0
	}
	req.To, req.Path, req.After, req.Now = p.Called.Number, nil, after, now
	if n := len(p.Path); n > 0 {
		req.Path = p.Path[: n-1 : n-1]
	}
	return req
}

// maker makes one plan.
type maker struct {
	req    uc.PlanRequest
	dir    *uc.Directory
	live   uc.Live
	plan   uc.Plan
	origin uc.Class // internal or external, whoever is called
	caller *uc.User // nil if it is nobody of ours
	choice *uc.Role // the role that lets the caller through forwardings, or nil
	// entries are those of all phone books that have the number of a caller from outside.
	entries []*uc.PhonebookEntry
}

func (m *maker) line(step, text, because string) {
	m.plan.Lines = append(m.plan.Lines, uc.PlanLine{Step: step, Text: text, Because: because})
}

// visit lets the call come to an extension. It returns the extension to go to next, or "" when the
// outcome is decided.
func (m *maker) visit(ext string, status uc.CallStatus) string {
	if slices.Contains(m.plan.Path, ext) {
		m.reject(482, "Loop Detected", "the call has already visited "+ext)
		return ""
	}
	m.plan.Path = append(m.plan.Path, ext)
	if uc.Emergency(ext) {
		m.unassigned(ext)
		return ""
	}
	target, _ := m.dir.ByExt(ext)
	if u := m.dir.Users.Get(target.User); u != nil {
		return m.user(u, ext, status)
	}
	if t := m.dir.Teams.Get(target.Team); t != nil {
		return m.team(t, ext, status)
	}
	m.unassigned(ext)
	return ""
}

// result ends the plan with ringing branches.
func (m *maker) result() {
	ring := 0
	for i := range m.plan.Branches {
		b := &m.plan.Branches[i]
		ring = max(ring, b.Delay+b.Timeout)
	}
	m.plan.Outcome, m.plan.Ring = uc.OutcomeRing, ring
	devices := " devices ring"
	if len(m.plan.Branches) == 1 {
		devices = " device rings"
	}
	m.line(stepResult, strconv.Itoa(len(m.plan.Branches))+devices+", nobody has answered after "+strconv.Itoa(ring)+" s",
		"the largest delay + timeout")
}

// reject ends the plan without anybody ringing.
func (m *maker) reject(status int, cause, because string) {
	m.plan.Outcome, m.plan.Status, m.plan.Cause = uc.OutcomeReject, status, cause
	m.line(stepResult, "The call is rejected with "+strconv.Itoa(status)+" "+cause, because)
}

// rejectAs ends the plan with what the call has come to.
func (m *maker) rejectAs(status uc.CallStatus) {
	const because = "no forwarding and no after-action takes the call"
	switch status {
	case uc.StatusBusy:
		m.reject(486, "Busy Here", because)
	case uc.StatusNoAnswer:
		m.reject(480, "No Answer", because)
	default:
		m.reject(480, "Not Reachable", because)
	}
}
