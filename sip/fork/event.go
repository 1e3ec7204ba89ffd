package fork

// Event is something that happened to a ringing call: [Start], [Provisional], [Answer], [Fail],
// [CallerGone], [Diverted] or [Tick]. Branch is the index in the list given to [New].
type Event interface{ event() }

// Start begins the ringing; all delays count from its time.
type Start struct{}

// Provisional is a 1xx response of a branch. 100 counts too: it permits a CANCEL.
type Provisional struct {
	Branch int
	Status int
}

// Answer is a 2xx response of a branch.
type Answer struct{ Branch int }

// Fail is the end of a branch without an answer: its final response, 408 if none came, 480 or 503 if it
// could not be invited at all.
type Fail struct {
	Branch int
	Status int
}

// CallerGone says that the caller cancelled or was lost before anybody answered.
type CallerGone struct{}

// Diverted says that somebody led the call elsewhere before anybody answered.
type Diverted struct{}

// Tick says that the time asked for by [Wake] has come. Ticks too many or too early do no harm.
type Tick struct{}

func (Start) event()       {}
func (Provisional) event() {}
func (Answer) event()      {}
func (Fail) event()        {}
func (CallerGone) event()  {}
func (Diverted) event()    {}
func (Tick) event()        {}
