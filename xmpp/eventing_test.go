package xmpp

import (
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// TestEventingWithSlixmpp lets a real client find out by itself how to publish and to be told.
func TestEventingWithSlixmpp(t *testing.T) {
	w := start(t)
	w.changeSales(func(r *uc.Role, _ *uc.Directory) { r.Users = []uc.UserID{anna, ben} })
	if said := w.slixmpp(t, "eventing.py"); said != "done" {
		t.Errorf("it said %q, want done", said)
	}
}
