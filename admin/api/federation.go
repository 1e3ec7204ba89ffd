package api

import (
	"net/http"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/internal/uc"
)

// registerFederation registers what tells of other servers.
func (a *API) registerFederation() {
	handle(a, route{"list-server-streams", http.MethodGet, "/xmpp/streams", access.ReadFederation, "federation",
		"Streams with other chat servers, oldest first; none while federation is off", 0}, a.serverStreams)
}

func (a *API) serverStreams(*call, *struct{}) (*list[uc.ServerStream], error) {
	if a.ServerStreams == nil {
		return full[uc.ServerStream](nil), nil
	}
	return full(a.ServerStreams()), nil
}
