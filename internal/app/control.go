package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// The control socket lets who may read the data folder use REST without signing in, as the rolecall
// command does. It is a Unix socket, so the rights of the folder are the rights of the socket.

const controlName = "control.sock"

// Info tells where a running server listens.
type Info struct {
	Domain      string    `json:"domain"`
	XMPP        string    `json:"xmpp"`
	XMPPTLS     string    `json:"xmppTLS"`
	S2S         string    `json:"s2s"` // for other XMPP servers
	SIP         string    `json:"sip"` // UDP
	SIPTCP      string    `json:"sipTCP"`
	SIPTLS      string    `json:"sipTLS"`
	Web         string    `json:"web"` // URL of the admin page
	Certificate string    `json:"certificate"`
	Now         time.Time `json:"now"` // by the server's clock
	// Demo is set while the server was started to be tried out.
	Demo *DemoInfo `json:"demo,omitempty"`
}

// DemoInfo is what the demo needs to play people, telephones and Microsoft.
type DemoInfo struct {
	Password string               `json:"password"` // of everybody in the demo company
	Cloud    string               `json:"cloud"`    // control address of the stand-in for Microsoft's cloud
	Phones   []DemoPhone          `json:"phones"`
	Users    map[string]uc.UserID `json:"users"` // by login name
}

// DemoPhone is a telephone of the demo company with its SIP credentials.
type DemoPhone struct {
	Login  string        `json:"login"`
	Kind   uc.DeviceKind `json:"kind"`
	User   string        `json:"user"`
	Secret string        `json:"secret"`
}

func listenControl(data string) (net.Listener, error) {
	path := filepath.Join(data, controlName)
	if conn, err := net.Dial("unix", path); err == nil { //nolint:noctx // a local socket answers at once
		conn.Close()
		return nil, fmt.Errorf("another server is running with the data folder %s", data)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	ln, err := net.Listen("unix", path) //nolint:noctx // see above
	if err != nil {
		return nil, err
	}
	return ln, os.Chmod(path, 0o600)
}

// controlHandler serves REST as the machine's owner, and what only the owner may ask.
func (a *App) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/", a.admin.LocalHandler())
	mux.HandleFunc("GET /control/info", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, a.Info())
	})
	if a.demo != nil {
		mux.HandleFunc("POST /control/clock", a.moveClock)
	}
	return mux
}

// moveClock puts the clock to the next time that it shows the given time of day.
func (a *App) moveClock(w http.ResponseWriter, r *http.Request) {
	var to struct {
		At string `json:"at"` // "15:04:05" in the server's time zone
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1024)).Decode(&to); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"detail": err.Error()})
		return
	}
	at, err := time.Parse(time.TimeOnly, to.At)
	if err != nil {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"detail": err.Error()})
		return
	}
	now := a.clock.Now().In(a.zone)
	next := time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), at.Second(), 0, a.zone)
	for !next.After(now) || next.Weekday() == time.Saturday || next.Weekday() == time.Sunday {
		next = next.AddDate(0, 0, 1)
	}
	a.clock.SetAhead(a.clock.Ahead() + next.Sub(now))
	if err := a.store.PutSetting(r.Context(), clockSetting, []byte(a.clock.Ahead().String())); err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"detail": err.Error()})
		return
	}
	a.profiles.Poke()
	writeJSON(w, http.StatusOK, a.Info())
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the other end of a local socket is gone
}

// Client talks to a running server over its control socket.
type Client struct{ http *http.Client }

// NewClient makes a client for the server with the given data folder.
func NewClient(data string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(data, controlName))
		if err != nil {
			return nil, fmt.Errorf("no server is running with the data folder %s: %w", data, err)
		}
		return conn, nil
	}
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Info asks where the server listens.
func (c *Client) Info(ctx context.Context) (info Info, err error) {
	return info, c.Do(ctx, http.MethodGet, "/control/info", nil, &info)
}

// Events reads a stream of server-sent events until it ends, ctx ends, or take returns an error.
func (c *Client) Events(ctx context.Context, path string, take func(name string, data []byte) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://control"+path, nil)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return reason(err)
	}
	defer res.Body.Close()
	if err := refused(req, res); err != nil {
		return err
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	name := ""
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			name = text
		} else if data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: ")); ok {
			if err := take(name, data); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// refused returns the server's words if it answers with another status than 2xx.
func refused(req *http.Request, res *http.Response) error {
	if res.StatusCode/100 == 2 {
		return nil
	}
	var problem struct {
		Detail string `json:"detail"`
	}
	_ = json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&problem) // without words the status must do
	if problem.Detail != "" {
		return errors.New(problem.Detail)
	}
	return fmt.Errorf("%s %s: %s", req.Method, req.URL.Path, res.Status)
}

// reason takes the address off an error, which is not one that anybody could open.
func reason(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// Do sends a request with a JSON body (nil for none) and decodes the answer's JSON into answer (nil to
// ignore it). An answer of another status than 2xx is an error with the server's words.
func (c *Client) Do(ctx context.Context, method, path string, body, answer any) error {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://control"+path, sent)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return reason(err)
	}
	defer res.Body.Close()
	if err := refused(req, res); err != nil || answer == nil {
		return err
	}
	return json.NewDecoder(res.Body).Decode(answer)
}
