package form

import (
	"net/url"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rolecall/rolecall/internal/uc"
)

// What a form shows and sends back unchanged must be what it was.
func TestEncodeDecodeIsIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawProfile(t)
		var out uc.Profile
		if wrong := Decode(Encode(in), &out); len(wrong) > 0 {
			t.Fatalf("refused its own values: %v", wrong)
		}
		if !reflect.DeepEqual(in, out) {
			t.Fatalf("\n in %+v\nout %+v", in, out)
		}
	})
}

func drawProfile(t *rapid.T) uc.Profile {
	word := rapid.StringMatching(`[a-z][a-z0-9 ]{0,6}[a-z]`)
	action := rapid.Custom(func(t *rapid.T) uc.Action {
		a := uc.Action{Kind: uc.ActionKind(word.Draw(t, "kind")), Team: uc.TeamID(rapid.Int64Range(0, 9).Draw(t, "team"))}
		if rapid.Bool().Draw(t, "set") {
			a.Enabled, a.Delay = new(rapid.Bool().Draw(t, "on")), new(rapid.IntRange(-9, 9).Draw(t, "delay"))
		}
		if rapid.Bool().Draw(t, "classes") {
			a.Classes = []uc.Class{uc.Queue, uc.Internal}
		}
		return a
	})
	p := uc.Profile{
		ID: uc.ProfileID(rapid.Int64Range(0, 99).Draw(t, "id")), Name: word.Draw(t, "name"),
		Sticky: rapid.Bool().Draw(t, "sticky"), Show: rapid.SampledFrom([]uc.Show{uc.ShowAway, uc.ShowDND}).Draw(t, "show"),
	}
	if list := rapid.SliceOfN(action, 0, 4).Draw(t, "enter"); len(list) > 0 {
		p.Enter = list
	}
	if rapid.Bool().Draw(t, "timed") {
		p.Triggers = []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:00", Weekdays: []time.Weekday{0, 5}}}
	}
	return p
}

func TestDecode(t *testing.T) {
	before := uc.Assignment{ID: 3, UserConfigurable: true, Internal: uc.Ring{Enabled: true, Delay: 5, Timeout: 30}}
	for _, tt := range []struct {
		name, form string
		want       uc.Assignment
		wrong      map[string]string
	}{
		{"what is missing stays", "", before, map[string]string{}},
		{"an unchecked box is off", "internal.enabled=false", with(before, func(a *uc.Assignment) { a.Internal.Enabled = false }), map[string]string{}},
		{"a checked box is on", "userConfigurable=false&userConfigurable=true", before, map[string]string{}},
		{"nested", "internal.delay=+7", with(before, func(a *uc.Assignment) { a.Internal.Delay = 7 }), map[string]string{}},
		{"no number", "internal.delay=soon", before, map[string]string{"internal.delay": "Enter a whole number."}},
		{"too large", "internal.delay=99999999999999999999", before, map[string]string{"internal.delay": "Enter a whole number."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := before
			values, err := url.ParseQuery(tt.form)
			if err != nil {
				t.Fatal(err)
			}
			if wrong := Decode(values, &got); !reflect.DeepEqual(wrong, tt.wrong) {
				t.Errorf("wrong = %v, want %v", wrong, tt.wrong)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func with(a uc.Assignment, change func(*uc.Assignment)) uc.Assignment {
	change(&a)
	return a
}

func TestSecretsAreNoFields(t *testing.T) {
	u := uc.User{PINHash: "kept"}
	Decode(url.Values{"PINHash": {"stolen"}, "-": {"stolen"}}, &u)
	if u.PINHash != "kept" {
		t.Error("a form wrote a field that is no part of forms")
	}
	if v := Encode(uc.Device{SIPSecret: "secret"}); v.Get("SIPSecret") != "" {
		t.Error("a form shows a secret")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("name=Lunch&enter=&enter.0.kind=gsm&enter.0.enabled=true&triggers=&triggers.0.weekdays=1&show=dnd")
	f.Add("enter.199.kind=x&enter=")
	f.Add("users=1&users=\n\n2&id=-0")
	f.Fuzz(func(_ *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		Decode(values, &uc.Profile{})
		Decode(values, &uc.NewUser{})
		Decode(values, &uc.Role{})
	})
}
