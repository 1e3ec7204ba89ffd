package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/feed"
	"github.com/rolecall/rolecall/internal/uc"
)

// registerChats registers what tells of the sessions of chat clients.
func (a *API) registerChats() {
	handle(a, route{"list-sessions", http.MethodGet, "/xmpp/sessions", access.ReadChats, "chat sessions",
		"Chat clients that are connected", 0}, func(*call, *struct{}) (*list[uc.ChatSession], error) {
		return full(a.Chats.Sessions()), nil
	})
	handle(a, route{"end-session", http.MethodDelete, "/xmpp/sessions/{id}", access.EndChats, "chat sessions",
		"End the session of a chat client, which may sign in again", http.StatusNoContent},
		func(c *call, in *ByID) (*empty, error) {
			return nil, a.Chats.EndSession(c, c.actor(), uint64(in.ID))
		})
	handle(a, route{"trace", http.MethodGet, "/xmpp/trace", access.ReadChats, "chat sessions",
		"Heads of the last stanzas of a user's sessions, oldest first", 0},
		func(_ *call, in *byJID) (*list[uc.TracedStanza], error) {
			stanzas, err := a.Chats.Trace(in.JID)
			return full(stanzas), err
		})
	o := a.operation(route{"follow-trace", http.MethodGet, "/xmpp/trace/events", access.ReadChats, "chat sessions",
		"Follow the heads of a user's stanzas, as server-sent events", 0})
	o.Description += " Each event is a `stanza`, beginning with the last ones; `signed-out` ends the stream."
	o.Responses = map[string]*huma.Response{"200": {Description: "A stream of events",
		Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	huma.Register(a.huma, o, a.followTrace)
}

// byJID is the input of a request about a user's chat sessions, or one of them.
type byJID struct {
	JID string `query:"jid" required:"true" doc:"Login name or address of a user, or address of one session with its resource."`
}

func (a *API) followTrace(c ctx, in *byJID) (*huma.StreamResponse, error) {
	next, stop, err := a.Chats.FollowTrace(in.JID)
	if err != nil {
		return nil, a.problem(c, err)
	}
	who := callOf(c).who
	changes := func() (list []feed.Message, more bool) {
		for _, s := range next() {
			list = append(list, feed.Message{Name: "stanza", Data: s})
		}
		return list, true
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer stop()
		r, w := humago.Unwrap(hc)
		err := a.hub.Poll(w, r, changes, func() bool { return a.gate.StillAdmits(r, who, access.ReadChats) })
		if err != nil {
			_ = huma.WriteErr(a.huma, hc, http.StatusServiceUnavailable, err.Error())
		}
	}}, nil
}
