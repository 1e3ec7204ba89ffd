package uc

import (
	"encoding/json"
	"strings"
	"testing"
)

// Who has chosen nothing yet has no time of choosing: REST and event streams must not tell the year 1.
func TestNothingChosenHasNoTime(t *testing.T) {
	for _, v := range []any{ProfileState{}, ProfileView{}} {
		b, err := json.Marshal(v)
		if err != nil || strings.Contains(string(b), "0001") {
			t.Errorf("%s, %v", b, err)
		}
	}
}
