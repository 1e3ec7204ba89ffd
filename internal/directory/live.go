package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// A live switch changes single values that it can put back. Each is a slot: an address (the Key of a
// uc.Change) and a value in JSON. The slots are:
//
//	followme:<assignment>:<class>      {"enabled":…,"delay":…,"timeout":…}
//	gsm:<user>                         true or false
//	text:<user>                        "…"
//	workplace:<user>                   <location>, 0 for none
//	login:<member>                     true or false
//	pause:<member>                     {"paused":…,"reason":…}
//	forwarding:<user>:<kind>:<class>   {"target":…,"active":…} or null

// live carries out a command that changes live switches and returns the changes.
func (d *Directory) live(ctx context.Context, by uc.Actor, plan func(*edit) error) ([]uc.Change, error) {
	var changes []uc.Change
	err := d.do(ctx, by, func(e *edit) error {
		err := plan(e)
		changes = e.changes
		return err
	})
	if err != nil {
		return nil, err
	}
	return changes, nil
}

// changed records one value that the command changes.
func (e *edit) changed(key string, before, after any, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	e.changes = append(e.changes, uc.Change{Key: key, Before: encode(before), After: encode(after), Text: text})
	e.notes = append(e.notes, text)
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // the values of slots are plain structs
	}
	return string(text)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// Revert puts values back that an earlier command changed: each only if its value is still the one that
// the command set. It goes from the last change to the first.
func (d *Directory) Revert(ctx context.Context, by uc.Actor, changes []uc.Change) ([]uc.Change, error) {
	return d.live(ctx, by, func(e *edit) error {
		for _, c := range slices.Backward(changes) {
			if err := e.revert(c); err != nil {
				return err
			}
		}
		return nil
	})
}
