// Package profiles decides which client profile each user is in, and carries it out.
//
// A user has a base profile and a stack of overlays; the profile in effect is the one on top. People set
// the base, so do timed switches; timed windows and Teams meetings are overlays that begin and end. The
// rules of precedence stand in decide.go as a pure function of what is stored, what is known and the
// time. Everything that happens (a choice, the clock, Microsoft Graph, a change of the directory) only
// writes down a fact and has the user looked at again, so a restart, a clock that was set and a signal
// that came twice all lead to the same state.
//
// A switch is one job: the decision is committed with its journal entry, then the leave actions of the
// old and the enter actions of the new profile run from top to bottom, then their results are committed.
// What a crash cut off is taken up again at the next start.
//
// Goroutines: [Engine.Run] owns one loop, which sleeps until the next edge of the clock, and a bounded
// number of workers. Of one user there is one job at a time, the others wait for its turn; a user with
// nothing to do costs no goroutine. [Engine.Switch] and [Engine.Undo] run the job in their caller's.
package profiles
