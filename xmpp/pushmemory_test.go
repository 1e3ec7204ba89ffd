package xmpp

import (
	"context"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

func (m *memory) PushTargets(context.Context) ([]uc.PushTarget, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.pushes), nil
}

func (m *memory) PutPushTarget(ctx context.Context, t uc.PushTarget, remove []uc.PushTarget) error {
	_ = m.DeletePushTargets(ctx, append(slices.Clone(remove), t))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pushes = append(m.pushes, t)
	return nil
}

func (m *memory) DeletePushTargets(_ context.Context, list []uc.PushTarget) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, gone := range list {
		m.pushes = slices.DeleteFunc(m.pushes, func(t uc.PushTarget) bool {
			return t.User == gone.User && t.Service == gone.Service && t.Node == gone.Node
		})
	}
	return nil
}
