package directory

import (
	"crypto/rand"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// newSIPUser returns a SIP user name that no device has.
func newSIPUser(dir *uc.Directory) string {
	for {
		name := strings.ToLower(rand.Text()[:10])
		if dir.DeviceBySIPUser(name) == nil {
			return name
		}
	}
}

// newSecret returns a SIP password of 26 characters, 130 random bits.
func newSecret() string { return rand.Text() }
