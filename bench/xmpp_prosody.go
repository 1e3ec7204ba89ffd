package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// startProsody starts Prosody with its groups file.
func startProsody(ctx context.Context, dir string, c company, o options) (*xmppServer, error) {
	free, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	if err := foundProsody(dir, c); err != nil {
		return nil, err
	}
	ports := fmt.Sprintf("c2s_ports = { %d }; c2s_direct_tls_ports = { }", free[0])
	if o.tls {
		if err := certificate(certificateIn(dir)); err != nil {
			return nil, err
		}
		ports = fmt.Sprintf("c2s_ports = { }; c2s_direct_tls_ports = { %d }; ssl = { certificate = %q; key = %q }", free[0], certificateIn(dir), certificateIn(dir))
	}
	archive, mam := "", ""
	if o.archive {
		archive, mam = prosodyArchive, `, "mam"`
	}
	file := filepath.Join(dir, "prosody.cfg.lua")
	if err := os.WriteFile(file, fmt.Appendf(nil, prosodyConfig, ports, dir, dir, mam, archive, domain), 0o644); err != nil {
		return nil, err
	}
	p, err := launch(dir, nil, "prosody", "--config", file, "-F")
	if err != nil {
		return nil, err
	}
	s := &xmppServer{p, "prosody", fmt.Sprintf("127.0.0.1:%d", free[0])}
	return s, p.waitListening(ctx, s.address)
}

// foundProsody writes the accounts as mod_auth_internal_hashed keeps them, and the groups.
func foundProsody(dir string, c company) error {
	accounts := filepath.Join(dir, "data", domain, "accounts")
	if err := os.MkdirAll(accounts, 0o755); err != nil {
		return err
	}
	const salt = "c2FsdA" // used as it stands
	key, err := saltedPassword("YzJGc2RB", fmt.Sprint(iterations))
	if err != nil {
		return err
	}
	stored := sha256.Sum256(mac(key, "Client Key"))
	account := fmt.Appendf(nil, "return { [\"iteration_count\"] = %d; [\"salt\"] = %q; [\"stored_key\"] = \"%x\"; [\"server_key\"] = \"%x\"; };\n",
		iterations, salt, stored, mac(key, "Server Key"))
	for i := range c.accounts {
		if err := os.WriteFile(filepath.Join(accounts, userName(i)+".dat"), account, 0o644); err != nil {
			return err
		}
	}
	var groups strings.Builder
	_ = c.each(func(group, first, size int) error { // never fails
		fmt.Fprintf(&groups, "[Group %d]\n", group)
		for i := range size {
			fmt.Fprintf(&groups, "%s@%s\n", userName(first+i), domain)
		}
		return nil
	})
	return os.WriteFile(filepath.Join(dir, "groups.txt"), []byte(groups.String()), 0o644)
}

const prosodyConfig = `run_as_root = true
daemonize = false
interfaces = { "127.0.0.1" }
%s
s2s_ports = {}; http_ports = {}; https_ports = {}
data_path = "%s/data"
groups_file = "%s/groups.txt"
network_backend = "epoll"
authentication = "internal_hashed"
password_hash = "SHA-256"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
modules_enabled = { "roster", "saslauth", "tls", "disco", "groups", "ping", "offline"%s }
limits = {}
log = { { levels = { min = "error" }, to = "console" } }
%sVirtualHost "%s"
`

// prosodyArchive keeps everybody's messages, in SQLite as ours.
const prosodyArchive = `default_archive_policy = true
`
