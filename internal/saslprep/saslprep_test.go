package saslprep

import "testing"

func TestPrepare(t *testing.T) {
	for in, want := range map[string]string{
		"I\u00adX": "IX", "user": "user", "USER": "USER", "\u00aa": "a", "\u2168": "IX", // RFC 4013 §3
		"a\u00a0b\u3000c": "a b c", "e\u0301": "é",
	} {
		if got, ok := Prepare(in); !ok || got != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"\u0007", "a\xff", "\ufffd", "a\u2028b", "\u200e", "\ue000"} {
		if got, ok := Prepare(in); ok {
			t.Errorf("%q: got %q; want it refused", in, got)
		}
	}
}
