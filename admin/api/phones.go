package api

import (
	"net/http"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/internal/uc"
)

// registerPhones registers what tells of telephones, of connectors and of the server itself.
func (a *API) registerPhones() {
	handle(a, route{"explain", http.MethodGet, "/explain", access.Explain, "calls",
		"Who would ring, and why nothing else", 0}, a.explain)
	handle(a, route{"list-calls", http.MethodGet, "/calls", access.ReadBoard, "calls",
		"Calls in progress", 0}, func(*call, *struct{}) (*list[uc.Call], error) {
		return full(a.Phones.Calls()), nil
	})
	handle(a, route{"dial", http.MethodPost, "/calls", access.SteerCalls, "calls",
		"Have a user's telephones ring, and call somebody when one is answered", http.StatusCreated}, a.dial)
	handle(a, route{"transfer-call", http.MethodPost, "/calls/{id}/transfer", access.SteerCalls, "calls",
		"Send one party of an answered call on to an extension", http.StatusAccepted}, a.transfer)
	handle(a, route{"hang-up", http.MethodDelete, "/calls/{id}", access.SteerCalls, "calls",
		"Hang up a call", http.StatusNoContent}, a.hangUp)
	handle(a, route{"list-registrations", http.MethodGet, "/registrations", access.ReadBoard, "calls",
		"Devices that are registered by SIP", 0}, func(*call, *struct{}) (*list[uc.Registration], error) {
		return full(a.Phones.Registrations()), nil
	})
	handle(a, route{"get-teams-sync", http.MethodGet, "/teams-sync", access.ReadConnectors, "server",
		"How reading presence from Microsoft Graph is going", 0}, func(*call, *struct{}) (*one[uc.TeamsSync], error) {
		return &one[uc.TeamsSync]{Body: a.Sync()}, nil
	})
	handle(a, route{"get-health", http.MethodGet, "/health", access.Public, "server",
		"Whether the server answers", 0}, func(*call, *struct{}) (*one[health], error) {
		return &one[health]{Body: health{Status: "ok"}}, nil
	})
}

// health tells strangers no more than that the server answers.
type health struct {
	Status string `json:"status"`
}

func (a *API) dial(c *call, in *struct {
	Body struct {
		User uc.UserID `json:"user,omitempty" doc:"For whom the call is dialled; missing means who asks."`
		To   string    `json:"to" required:"true" doc:"Extension that is called."`
	}
}) (*one[uc.Call], error) {
	user := in.Body.User
	if user == 0 {
		user = c.who.User.ID
	}
	begun, err := a.Phones.Dial(c, user, in.Body.To, c.actor())
	return &one[uc.Call]{Body: begun}, err
}

// ByCall is the input of a request about one call. (Exported, because huma reads no unexported embedded fields.)
type ByCall struct {
	ID string `path:"id" maxLength:"100" doc:"As in the list of calls."`
}

func (a *API) transfer(c *call, in *struct {
	ByCall
	Body struct {
		To    string `json:"to" required:"true" doc:"Extension that is to take the call."`
		Party string `json:"party" required:"true" enum:"caller,called" doc:"Who goes there; the other leaves the call when somebody answers."`
	}
}) (*empty, error) {
	return nil, a.Phones.Transfer(c, in.ID, in.Body.To, in.Body.Party == "caller", c.actor())
}

func (a *API) hangUp(c *call, in *ByCall) (*empty, error) {
	return nil, a.Phones.HangUp(c, in.ID, c.actor())
}

func (a *API) explain(_ *call, in *struct {
	From  string   `query:"from" doc:"Extension or outside number of the caller; missing means an outside caller without a number."`
	To    string   `query:"to" doc:"Extension that is called."`
	At    string   `query:"at" doc:"RFC 3339 time, or 2026-03-02T18:05 in the server's zone; missing means now."`
	Class uc.Class `query:"class" doc:"internal, external or queue; missing: worked out from the caller."`
	Team  string   `query:"team" doc:"Id or extension of the team through which the call comes."`
}) (*one[uc.Plan], error) {
	q := desk.Question{From: in.From, To: in.To, At: in.At, Class: in.Class, Team: in.Team}
	req, err := q.Plan(a.Directory.Snapshot(), a.now())
	if err != nil {
		return nil, err
	}
	return &one[uc.Plan]{Body: a.Phones.Explain(req)}, nil
}
