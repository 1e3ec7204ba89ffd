package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/feed"
	"github.com/rolecall/rolecall/internal/uc"
)

// facts are the events that a REST client follows.
var facts = []uc.Event{uc.PresenceChanged{}, uc.ProfileSwitched{}, uc.CallChanged{}, uc.RegistrationChanged{}, uc.DirectoryChanged{}, uc.TeamsSyncChanged{}}

// snapshot is the first event of a stream, and comes again if the client fell behind.
type snapshot struct {
	Presence      []uc.Presence     `json:"presence"`
	Calls         []uc.Call         `json:"calls"`
	Registrations []uc.Registration `json:"registrations"`
}

// directoryChange tells what was put or deleted; the things themselves are read over REST.
type directoryChange struct {
	Version uint64   `json:"version"`
	Changes []uc.Ref `json:"changes"`
	By      uc.Actor `json:"by"`
}

func (a *API) registerEvents() {
	o := a.operation(route{"events", http.MethodGet, "/events", access.ReadBoard, "presence", "Follow what happens, as server-sent events", 0})
	o.Description += " The first event is `snapshot`; then `presence`, `profile`, `call`, `registration`, `directory` and `teams-sync` " +
		"carry the new state of what changed. A client that falls behind is sent another `snapshot`. `signed-out` ends the stream."
	o.Responses = map[string]*huma.Response{"200": {Description: "A stream of events",
		Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	huma.Register(a.huma, o, func(c ctx, _ *struct{}) (*huma.StreamResponse, error) {
		who := callOf(c).who
		return &huma.StreamResponse{Body: func(hc huma.Context) { a.stream(hc, who) }}, nil
	})
}

func (a *API) stream(hc huma.Context, who access.Identity) {
	r, w := humago.Unwrap(hc)
	err := a.hub.Serve(w, r, feed.Stream{
		View: &restView{api: a}, Facts: facts,
		Allowed: func() bool { return a.gate.StillAdmits(r, who, access.ReadBoard) },
	})
	if err != nil {
		_ = huma.WriteErr(a.huma, hc, http.StatusServiceUnavailable, err.Error())
	}
}

// restView passes facts on as they are; presence is told once per user.
type restView struct {
	api     *API
	pending []feed.Message
}

// All implements feed.View.
func (v *restView) All() []feed.Message {
	v.pending = nil
	return []feed.Message{{Name: "snapshot", Data: snapshot{
		Presence: v.api.Presences.All(), Calls: v.api.Phones.Calls(), Registrations: v.api.Phones.Registrations(),
	}}}
}

// Take implements feed.View. The bus has already coalesced what replaces one another.
func (v *restView) Take(e uc.Event) {
	add := func(name string, data any) { v.pending = append(v.pending, feed.Message{Name: name, Data: data}) }
	switch e := e.(type) {
	case uc.PresenceChanged:
		add("presence", v.api.Presences.Get(e.Presence.User)) // never older than the snapshot before it
	case uc.ProfileSwitched:
		add("profile", e.State)
	case uc.CallChanged:
		add("call", e.Call)
	case uc.RegistrationChanged:
		add("registration", e.Registration)
	case uc.DirectoryChanged:
		add("directory", directoryChange{Version: e.After.Version, Changes: e.Changes, By: e.By})
	case uc.TeamsSyncChanged:
		add("teams-sync", e.Status)
	}
}

// Changes implements feed.View.
func (v *restView) Changes() []feed.Message {
	list := v.pending
	v.pending = nil
	return list
}
