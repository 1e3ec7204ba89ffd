package web

import (
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// federationPage is what the page of streams with other servers gets.
type federationPage struct {
	listPage[uc.ServerStream]
	Off bool // no message leaves for other servers
}

func (q *request) federation() error {
	if q.web.ServerStreams == nil {
		return q.ok("federation", "Other servers", federationPage{listOf[uc.ServerStream](q, nil), true})
	}
	list := slices.DeleteFunc(q.web.ServerStreams(), func(s uc.ServerStream) bool {
		return !q.search(append(slices.Clone(s.Domains), s.Local, s.Address)...)
	})
	return q.ok("federation", "Other servers", federationPage{listOf(q, list), false})
}
