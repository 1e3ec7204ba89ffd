package sip

import (
	"strings"
	"testing"
)

func TestReadReferTo(t *testing.T) {
	for _, c := range []struct {
		value, to string
		with      replaced
		status    int
	}{
		{"<sip:56@example.org>", "56", replaced{}, 0},
		{`"Cleo" <sips:56@EXAMPLE.org:5061;user=phone;method=INVITE>`, "56", replaced{}, 0},
		{"sip:56@192.0.2.1", "56", replaced{}, 0},
		{"<sip:56@example.org?Replaces=a%40b%3Bto-tag%3Dx%3Bfrom-tag%3Dy&Require=replaces>", "56", replaced{dialogID{"a@b", "x"}, "y"}, 0},
		{"<sip:56@example.org?replaces=a%3bearly-only%3bFrom-Tag%3dy%3bto-tag%3dx>", "56", replaced{dialogID{"a", "x"}, "y"}, 0},
		{"<sip:56@example.org?Replaces=a%3Bto-tag%3Dx>", "", replaced{}, 400},
		{"<sip:56@example.org?Replaces=%zz>", "", replaced{}, 400},
		{"<sip:56@example.com>", "", replaced{}, 603},
		{"<sip:56@example.org;method=SUBSCRIBE>", "", replaced{}, 603},
		{"<sip:example.org>", "", replaced{}, 400},
		{"", "", replaced{}, 400},
	} {
		to, with, fault := readReferTo([]string{c.value}, "example.org", "192.0.2.1")
		if with == nil {
			with = &replaced{}
		}
		status := 0
		if fault != nil {
			status = fault.status
		}
		if to != c.to || *with != c.with || status != c.status {
			t.Errorf("%s: %q %v %d", c.value, to, *with, status)
		}
	}
}

func FuzzReferTo(f *testing.F) {
	f.Add("<sip:56@example.org?Replaces=a%40b%3Bto-tag%3Dx%3Bfrom-tag%3Dy>")
	f.Add(`"C" <sips:56@example.org;method=INVITE>;x=y`)
	f.Fuzz(func(t *testing.T, value string) {
		to, with, fault := readReferTo([]string{value}, "example.org")
		switch {
		case fault != nil && (to != "" || with != nil || fault.status < 400):
			t.Errorf("refused with %+v, and yet %q %v", fault, to, with)
		case fault == nil && (to == "" || !strings.Contains(strings.ToLower(value), "example.org")):
			t.Errorf("%q leads to %q", value, to)
		case with != nil && (with.callID == "" || with.localTag == "" || with.remoteTag == ""):
			t.Errorf("%q replaces %+v", value, with)
		}
	})
}
