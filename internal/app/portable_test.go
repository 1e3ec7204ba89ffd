package app

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
)

// Users come from Prosody's and ejabberd's files, and go on to another server without loss.
func TestUsersMoveBetweenServers(t *testing.T) {
	ctx := t.Context()
	first := &Config{Data: t.TempDir(), Domain: "example.org"}
	second := &Config{Data: t.TempDir(), Domain: "example.org"}
	load := func(cfg *Config, in io.ReadSeeker, dry bool) string {
		t.Helper()
		var told bytes.Buffer
		if err := ImportXMPP(ctx, cfg, in, nil, dry, &told); err != nil {
			t.Fatal(err)
		}
		return told.String()
	}
	save := func(cfg *Config, login string) string {
		t.Helper()
		var out bytes.Buffer
		if err := ExportXMPP(ctx, cfg, login, &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for _, name := range []string{"prosody.xml", "ejabberd.xml"} {
		text, err := os.ReadFile("../../xmpp/portable/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if told := load(first, bytes.NewReader(text), true); !strings.Contains(told, ": created") {
			t.Errorf("%s, a preview: %s", name, told)
		}
		if strings.Contains(save(first, ""), "name='juliet'") && name == "prosody.xml" {
			t.Error("the preview has written something")
		}
		load(first, bytes.NewReader(text), false)
		if told := load(first, bytes.NewReader(text), false); !strings.Contains(told, ": changed") {
			t.Errorf("%s, once more: %s", name, told)
		}
	}
	once := save(first, "")
	for _, want := range []string{"<user name='juliet'>", "<user name='romeo'>", "Marry me", "Wherefore art thou?", "<iter-count>4096</iter-count>", "mechanism='SCRAM-SHA-512'", "tybalt@example.org", ">Jule<", "Call me but love", "What man art thou?", "stamp='2024-07-10T23:08:25.000000001Z'", "default='roster'", "affiliation='outcast'", "jid='nurse@example.org/attic'"} {
		if n := strings.Count(once, want); n != 1 {
			t.Errorf("the export has %q %d times:\n%s", want, n, once)
		}
	}
	if strings.Contains(once, "Montague1") {
		t.Error("the export shows a password")
	}
	load(second, strings.NewReader(once), false)
	if twice := save(second, ""); twice != once {
		t.Errorf("once\n%s\ntwice\n%s", once, twice)
	}
	if one := save(second, "romeo"); strings.Contains(one, "juliet'>") || !strings.Contains(one, "<user name='romeo'>") {
		t.Errorf("the export of one user: %s", one)
	}
	if err := ExportXMPP(ctx, second, "nobody", io.Discard); err == nil {
		t.Error("nobody was exported")
	}
	bad := strings.Replace(once, "name='romeo'", "name='benvolio'", 1)
	bad = strings.Replace(bad, "name='juliet'", "name='Juliet'", 1)
	if err := ImportXMPP(ctx, second, strings.NewReader(bad), nil, false, io.Discard); err == nil || !strings.Contains(err.Error(), "nothing was imported") {
		t.Errorf("a file with a mistake: %v", err)
	}
	if strings.Contains(save(second, ""), "benvolio") {
		t.Error("part of a file with a mistake was imported")
	}
}
