package access

import (
	"context"
	"net/http"

	"github.com/rolecall/rolecall/internal/uc"
)

type ownerKey struct{}

// AsOwner marks all requests to a handler as sent by the owner of the machine, who acts as the system
// administrator of longest standing and need not sign in. The caller must know by other means that it
// is so, like the rights of a Unix socket.
func AsOwner(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), ownerKey{}, true)))
	})
}

func byOwner(r *http.Request) bool { return r.Context().Value(ownerKey{}) != nil }

// owner returns the system administrator with the smallest identifier; nil if there is none.
func (g *Gate) owner() *uc.User {
	var first *uc.User
	for _, u := range g.accounts.Snapshot().Users.All() {
		if u.AdminLevel == uc.LevelSystem && (first == nil || u.ID < first.ID) {
			first = u
		}
	}
	if first == nil {
		return nil
	}
	trusted := *first
	trusted.MustChangePassword = false // that is for who knows the one-time password
	return &trusted
}
