package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/rolecall/rolecall/internal/uc"
)

// xmppServer is a server that was started with the users of a company.
type xmppServer struct {
	*process
	name    string
	address string
}

// company is who there is: users u0…uN-1, the first of them in shared groups, one behind the other.
type company struct {
	groups   []int // their sizes
	users    int   // in all
	accounts int   // how many, from the first on, sign in; the others only have to be seen
}

// start is how each server is started; dir is an empty folder for its files.
type start func(ctx context.Context, dir string, c company, o options) (*xmppServer, error)

var starts = map[string]start{"rolecall": startRolecall, "ejabberd": startEjabberd, "prosody": startProsody}

var by = uc.Actor{Name: "bench"}

func userName(i int) string { return fmt.Sprintf("u%d", i) }

// each calls f for every group with the number of its first member.
func (c company) each(f func(group, first, size int) error) error {
	first := 0
	for i, size := range c.groups {
		if err := f(i, first, size); err != nil {
			return err
		}
		first += size
	}
	return nil
}

// certificate makes a self-signed certificate with its key in one file.
func certificate(file string) error {
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", //nolint:noctx // ends by itself
		"-days", "2", "-subj", "/CN="+domain, "-addext", "subjectAltName=DNS:"+domain, "-keyout", file+".key", "-out", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("openssl: %w: %s", err, out)
	}
	key, err := os.ReadFile(file + ".key")
	if err != nil {
		return err
	}
	cert, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(cert, key...), 0o644)
}

func certificateIn(dir string) string { return filepath.Join(dir, "cert.pem") }

func post(ctx context.Context, url string, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", url, res.Status, text)
	}
	return err
}
