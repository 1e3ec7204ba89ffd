package api

import (
	"net/http"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/internal/uc"
)

// registerSights registers the questions who sees whom.
func (a *API) registerSights() {
	handle(a, route{"list-sees", http.MethodGet, "/users/{id}/sees", access.ReadRoles, "presence",
		"Whom a user sees, and because of which roles or subscription", 0}, a.sees)
	handle(a, route{"list-seen-by", http.MethodGet, "/users/{id}/seen-by", access.ReadRoles, "presence",
		"Who sees a user, and because of which roles or subscription", 0}, a.seenBy)
}

func (a *API) sees(_ *call, in *ByID) (*list[uc.Sight], error) {
	if err := a.known(in.ID); err != nil {
		return nil, err
	}
	to, _ := a.subscriptions(uc.UserID(in.ID))
	return full(a.Directory.Snapshot().Sees(uc.UserID(in.ID), to)), nil
}

func (a *API) seenBy(_ *call, in *ByID) (*list[uc.Sight], error) {
	if err := a.known(in.ID); err != nil {
		return nil, err
	}
	_, from := a.subscriptions(uc.UserID(in.ID))
	return full(a.Directory.Snapshot().SeenBy(uc.UserID(in.ID), from)), nil
}

func (a *API) subscriptions(user uc.UserID) (to, from []uc.UserID) {
	if a.Subscriptions == nil {
		return nil, nil
	}
	return a.Subscriptions(user)
}
