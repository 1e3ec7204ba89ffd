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
