package store

import (
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"fmt"
	"time"
)

// The types of this file carry a Go value to and from a column: they are arguments when a row is
// written and destinations when it is read.

// jsonColumn holds a list or a struct as JSON text.
type jsonColumn struct{ v any } // a pointer

func (c jsonColumn) Value() (driver.Value, error) {
	text, err := json.Marshal(c.v)
	return string(text), err
}

func (c jsonColumn) Scan(src any) error {
	text, err := textOf(src)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, c.v)
}

// timeColumn holds an instant as nanoseconds since 1970 UTC; 0 is the zero time.
type timeColumn struct{ t *time.Time }

func (c timeColumn) Value() (driver.Value, error) {
	if c.t.IsZero() {
		return int64(0), nil
	}
	return c.t.UnixNano(), nil
}

func (c timeColumn) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a time is a number, not %T", src)
	}
	*c.t = time.Time{}
	if n != 0 {
		*c.t = time.Unix(0, n).UTC()
	}
	return nil
}

// nullable holds an identifier; 0 is NULL, so that the database can check the others.
type nullable[K ~int64] struct{ id *K }

func (c nullable[K]) Value() (driver.Value, error) {
	if *c.id == 0 {
		return nil, nil
	}
	return int64(*c.id), nil
}

func (c nullable[K]) Scan(src any) error {
	switch n := src.(type) {
	case nil:
		*c.id = 0
	case int64:
		*c.id = K(n)
	default:
		return fmt.Errorf("an identifier is a number, not %T", src)
	}
	return nil
}

func optional[K ~int64](id *K) nullable[K] { return nullable[K]{id} }

// textColumn holds a value by its text form.
type textColumn struct {
	v interface {
		encoding.TextMarshaler
		encoding.TextUnmarshaler
	}
}

func (c textColumn) Value() (driver.Value, error) {
	text, err := c.v.MarshalText()
	return string(text), err
}

func (c textColumn) Scan(src any) error {
	text, err := textOf(src)
	if err != nil {
		return err
	}
	return c.v.UnmarshalText(text)
}

func textOf(src any) ([]byte, error) {
	switch text := src.(type) {
	case string:
		return []byte(text), nil
	case []byte:
		return text, nil
	}
	return nil, fmt.Errorf("expected text, not %T", src)
}
