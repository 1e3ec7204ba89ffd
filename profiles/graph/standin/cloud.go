package standin

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Endpoint names a part of the cloud.
type Endpoint string

// The parts of the cloud.
const (
	Discovery Endpoint = "discovery" // Entra's openid-configuration
	Token     Endpoint = "token"     // Entra's token endpoint
	Presence  Endpoint = "presence"  // Graph's getPresencesByUserId
	Users     Endpoint = "users"     // Graph's list of users
)

// Request is one request that was answered.
type Request struct {
	Time     time.Time `json:"time"`
	Endpoint Endpoint  `json:"endpoint"`
	Status   int       `json:"status"`           // 0 if it was hung up on
	IDs      int       `json:"ids,omitempty"`    // how many object ids a presence request asked for
	Claims   string    `json:"claims,omitempty"` // the claims that a token request asked for
}

const keptRequests = 10_000

// Cloud is the state of one tenant and the answers about it. All methods may be called from any goroutine.
type Cloud struct {
	opts Options

	mu       sync.Mutex
	secret   string
	tokens   map[string]grant
	people   map[string]*person // by object id in lower case
	order    []*person          // as added
	sequence int64
	faults   []*Fault
	requests []Request
	counts   map[Endpoint]int
	meter    meter
}

// New makes a cloud that is reached through its Handler only.
func New(opts Options) *Cloud {
	opts.fill()
	return &Cloud{
		opts:   opts,
		secret: opts.ClientSecret,
		tokens: make(map[string]grant),
		people: make(map[string]*person),
		counts: make(map[Endpoint]int),
		meter:  meter{limit: opts.Limit},
	}
}

// Handler answers as login.microsoftonline.com and graph.microsoft.com do.
func (c *Cloud) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{tenant}/v2.0/.well-known/openid-configuration", c.endpoint(Discovery, c.discovery))
	mux.Handle("POST /{tenant}/oauth2/v2.0/token", c.endpoint(Token, c.token))
	mux.Handle("POST /v1.0/communications/getPresencesByUserId", c.endpoint(Presence, c.presences))
	mux.Handle("GET /v1.0/users", c.endpoint(Users, c.users))
	return mux
}

// exchange is one request while it is answered.
type exchange struct {
	http.ResponseWriter
	r     *http.Request
	fault Fault // the zero Fault if there is none
	entry Request
}

// WriteHeader notes the status for the log.
func (x *exchange) WriteHeader(status int) {
	x.entry.Status = status
	x.ResponseWriter.WriteHeader(status)
}

// endpoint runs one handler between the fault that is due, if any, and the log.
func (c *Cloud) endpoint(e Endpoint, answer func(*exchange)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{ResponseWriter: w, r: r, fault: c.takeFault(e)}
		x.entry = Request{Time: time.Now(), Endpoint: e}
		defer func() { c.log(x.entry) }()
		if !x.fault.wait(r.Context()) {
			return
		}
		if x.fault.HangUp {
			panic(http.ErrAbortHandler)
		}
		if x.fault.answers() {
			x.fault.answer(x)
			return
		}
		answer(x)
	})
}

func (c *Cloud) log(r Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.requests) >= keptRequests {
		c.requests = slices.Delete(c.requests, 0, keptRequests/2)
	}
	c.requests = append(c.requests, r)
	c.counts[r.Endpoint]++
}

// Requests returns what was asked so far, oldest first; beyond ten thousand the oldest are forgotten.
func (c *Cloud) Requests() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

// Count returns how many requests to an endpoint were answered so far.
func (c *Cloud) Count(e Endpoint) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[e]
}

// meter counts what was asked in the last 30 s. What is refused counts too, as Graph's throttling says.
type meter struct {
	limit int
	spent []spending
}

type spending struct {
	at    time.Time
	units int
}

const meterWindow = 30 * time.Second

// spend adds units and returns for how long the client must keep away, 0 if it is within the limit.
func (m *meter) spend(units int, now time.Time) time.Duration {
	m.spent = slices.DeleteFunc(m.spent, func(s spending) bool { return now.Sub(s.at) >= meterWindow })
	m.spent = append(m.spent, spending{now, units})
	total := 0
	for _, s := range m.spent {
		total += s.units
	}
	if total <= m.limit {
		return 0
	}
	over := total - m.limit
	for _, s := range m.spent {
		if over -= s.units; over <= 0 {
			return meterWindow - now.Sub(s.at)
		}
	}
	return meterWindow
}

// seconds writes a duration as Retry-After wants it: whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}
