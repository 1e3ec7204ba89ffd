package api

import (
	"context"
	"net/http"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/internal/uc"
)

type ctx = context.Context

type callKey struct{}

// call is one admitted request.
type call struct {
	context.Context
	who     access.Identity
	request *http.Request
}

// actor is who asks, for the audit.
func (c *call) actor() uc.Actor { return c.who.Actor("rest") }

// callOf finds the call that admit put into the context.
func callOf(c ctx) *call {
	found, _ := c.Value(callKey{}).(*call)
	admitted := *found
	admitted.Context = c
	return &admitted
}
