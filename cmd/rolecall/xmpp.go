package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/rolecall/rolecall/internal/app"
	"github.com/rolecall/rolecall/internal/uc"
)

type exportCmd struct {
	User string `help:"Login name; all users if not given."`
	Out  string `help:"File to write; it must not exist. Standard output if not given." type:"path"`
}

// Run writes the users as XEP-0227. The file is for nobody else: who has the keys in it can guess at passwords.
func (e exportCmd) Run(ctx context.Context, stdout io.Writer, cfg *app.Config) error {
	if e.Out == "" {
		return app.ExportXMPP(ctx, cfg, e.User, stdout)
	}
	file, err := os.OpenFile(e.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(app.ExportXMPP(ctx, cfg, e.User, file), file.Close())
}

type importCmd struct {
	File   string `arg:"" help:"File in the format of XEP-0227, as Prosody and ejabberd write it. It may be made of others beside it and below." type:"existingfile"`
	DryRun bool   `help:"Only say what would be created and changed."`
}

// Run reads users into the database of a server that is not running.
func (i importCmd) Run(ctx context.Context, stdout io.Writer, cfg *app.Config) error {
	file, err := os.Open(i.File)
	if err != nil {
		return err
	}
	defer file.Close()
	beside, err := os.OpenRoot(filepath.Dir(i.File)) // nothing above is read
	if err != nil {
		return err
	}
	defer beside.Close()
	return app.ImportXMPP(ctx, cfg, file, beside.FS(), i.DryRun, stdout)
}

// xmppCmd groups what concerns the chat server.
type xmppCmd struct {
	Sessions sessionsCmd `cmd:"" help:"List the chat clients that are connected."`
	Export   exportCmd   `cmd:"" help:"Write the users, their contacts and their data in the format of XEP-0227."`
	Import   importCmd   `cmd:"" help:"Read users in the format of XEP-0227 while the server is not running."`
	Trace    traceCmd    `cmd:"" help:"Show the heads of the last stanzas of a user's chat sessions."`
}

type sessionsCmd struct{}

// Run asks the running server and prints a line for each session.
func (sessionsCmd) Run(ctx context.Context, stdout io.Writer, cfg *app.Config) error {
	var list []uc.ChatSession
	if err := app.NewClient(cfg.Data).Do(ctx, http.MethodGet, "/api/v1/xmpp/sessions", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, s := range list {
		state := "no presence"
		switch {
		case s.Detached:
			state = "connection lost"
		case s.Online:
			state = s.Show.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.JID, state, s.Address, s.Since.Local().Format(time.DateTime), s.Client)
	}
	return w.Flush()
}

type traceCmd struct {
	JID    string `arg:"" name:"jid" help:"Login name or address of the user, or address of one session with its resource."`
	Follow bool   `short:"f" help:"Go on until Ctrl-C, also with sessions that begin meanwhile."`
}

// Run asks the running server and prints a line for each stanza.
func (t traceCmd) Run(ctx context.Context, stdout io.Writer, cfg *app.Config) error {
	client, query := app.NewClient(cfg.Data), "?"+url.Values{"jid": {t.JID}}.Encode()
	if !t.Follow {
		var list []uc.TracedStanza
		if err := client.Do(ctx, http.MethodGet, "/api/v1/xmpp/trace"+query, nil, &list); err != nil {
			return err
		}
		for i := range list {
			printStanza(stdout, &list[i])
		}
		return nil
	}
	err := client.Events(ctx, "/api/v1/xmpp/trace/events"+query, func(name string, data []byte) error {
		var s uc.TracedStanza
		if name != "stanza" {
			return nil
		}
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		printStanza(stdout, &s)
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// printStanza writes one line as 10:15:04.123 anna@example.org/phone → iq get p1 ping{urn:xmpp:ping} 70 B.
func printStanza(w io.Writer, s *uc.TracedStanza) {
	arrow := "→" // from the client
	if s.Direction == uc.StanzaToClient {
		arrow = "←"
	}
	fmt.Fprintf(w, "%s %s %s %s", s.Time.Local().Format("15:04:05.000"), s.JID, arrow, name(s.Name, s.Namespace))
	for _, part := range []struct{ label, value string }{
		{"", s.Type}, {"id=", s.ID}, {"from=", s.From}, {"to=", s.To}, {"", name(s.Payload, s.PayloadNS)},
	} {
		if part.value != "" {
			fmt.Fprintf(w, " %s%s", part.label, printable(part.value))
		}
	}
	fmt.Fprintf(w, " %d B\n", s.Size)
	if s.XML != "" {
		fmt.Fprintf(w, "    %s\n", printable(s.XML))
	}
}

func name(local, namespace string) string {
	if namespace == "" {
		return local
	}
	return cmp.Or(local, "?") + "{" + namespace + "}"
}

// printable keeps what a client sends from steering the terminal.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
