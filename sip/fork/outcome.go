package fork

import "github.com/rolecall/rolecall/internal/uc"

// outcomes collects how the branches of a call ended, to tell what the call as a whole has come to.
type outcomes struct {
	best     int  // best final response so far, 0 for none
	unheeded bool // a device rang, and nobody picked up
	busy     bool // a device was busy or its user refused
}

// note records the final response of a branch that was not cancelled.
func (o *outcomes) note(status int, rang bool) {
	switch {
	case status == 486 || status == 600 || status == 603:
		o.busy = true
	case rang:
		// Phones end the ringing by themselves with 408, 480 or 487.
		o.unheeded = true
	}
	o.keep(status)
}

// timeout records a branch whose ring timeout passed: as if 408 had come (RFC 3261 §16.8). A device that
// never rang says nothing about the person.
func (o *outcomes) timeout(rang bool) {
	o.unheeded = o.unheeded || rang
	o.keep(408)
}

func (o *outcomes) keep(status int) {
	if o.best == 0 || rank(status) < rank(o.best) {
		o.best = status
	}
}

// rank orders final responses as RFC 3261 §16.7 step 6 does: 6xx first, then the lowest class, within
// 4xx those that tell the caller how to do better. What says the most about the person comes before
// what says something about one device.
func rank(status int) int {
	switch {
	case status >= 600:
		return 0
	case status == 401 || status == 407 || status == 415 || status == 420 || status == 484:
		return 2
	case status == 486:
		return 1
	case status == 480:
		return 3
	case status == 408:
		return 4
	}
	return 10 * (status / 100)
}

func (o *outcomes) giveUp() GiveUp {
	g := GiveUp{As: uc.StatusUnreachable, Status: o.best}
	switch {
	case o.unheeded:
		g.As = uc.StatusNoAnswer
	case o.busy:
		g.As = uc.StatusBusy
	}
	switch g.Status {
	case 0:
		g.Status = 480
	case 503:
		g.Status = 500 // RFC 3261 §16.7 step 6: a 503 of one branch is not ours to pass on
	}
	return g
}
