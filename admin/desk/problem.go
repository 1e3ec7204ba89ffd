package desk

import (
	"errors"
	"net/http"

	"github.com/rolecall/rolecall/internal/uc"
)

// Problem is an error as HTTP tells it (RFC 9457).
type Problem struct {
	Status int
	Text   string // may be shown to whoever asked
	Field  string // the field at fault in REST spelling; empty if none
}

// Unknown is what is told of an error that has no kind. The caller logs the error itself.
const Unknown = "Something went wrong on the server. It has been logged."

// ProblemOf maps an error to HTTP. This is the only place where the kinds of error meet status codes.
func ProblemOf(err error) Problem {
	status := statusOf(err)
	if status == http.StatusInternalServerError {
		return Problem{Status: status, Text: Unknown}
	}
	p := Problem{Status: status, Text: err.Error()}
	var told *uc.Error
	if errors.As(err, &told) {
		p.Text, p.Field = told.Text, told.Field
	}
	return p
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, uc.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, uc.ErrForbidden):
		return http.StatusForbidden
	case errors.Is(err, uc.ErrConflict):
		return http.StatusConflict
	case errors.Is(err, uc.ErrInvalid):
		return http.StatusUnprocessableEntity
	case errors.Is(err, uc.ErrUnavailable):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
