package api

import (
	"net/http"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/internal/uc"
)

// registerSights registers the questions who sees whom.
func (a *API) registerSights() {
	handle(a, route{"list-sees", http.MethodGet, "/users/{id}/sees", access.ReadRoles, "presence",
		"Whom a user sees, and because of which roles or subscription", 0}, a.listSees)
	handle(a, route{"list-seen-by", http.MethodGet, "/users/{id}/seen-by", access.ReadRoles, "presence",
		"Who sees a user, and because of which roles or subscription", 0}, a.listSeenBy)
}

func (a *API) listSees(_ *call, in *ByID) (*list[uc.Sight], error) {
	if err := a.known(in.ID); err != nil {
		return nil, err
	}
	return full(a.Sees(uc.UserID(in.ID))), nil
}

func (a *API) listSeenBy(_ *call, in *ByID) (*list[uc.Sight], error) {
	if err := a.known(in.ID); err != nil {
		return nil, err
	}
	return full(a.SeenBy(uc.UserID(in.ID))), nil
}
