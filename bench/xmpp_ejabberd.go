package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// startEjabberd starts ejabberd without Erlang's port mapper and founds the company over its HTTP API.
func startEjabberd(ctx context.Context, dir string, c company, o options) (*xmppServer, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	c2s, api := ports[0], ports[1]
	security := "starttls: false"
	if o.tls {
		if err := certificate(certificateIn(dir)); err != nil {
			return nil, err
		}
		security = "tls: true"
	}
	config := fmt.Sprintf(ejabberdConfig, c2s, security, api)
	if o.archive {
		config += ejabberdArchive
	}
	if o.tls {
		config += "certfiles:\n  - " + certificateIn(dir) + "\n"
	}
	file := filepath.Join(dir, "ejabberd.yml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	p, err := launch(dir, []string{"EJABBERD_CONFIG_PATH=" + file, "ERL_LIBS=/usr/lib/x86_64-linux-gnu", "HOME=" + dir},
		"erl", "+K", "true", "+P", "250000", "-noinput", "-mnesia", "dir", fmt.Sprintf("%q", filepath.Join(dir, "db")), "-s", "ejabberd")
	if err != nil {
		return nil, err
	}
	s := &xmppServer{p, "ejabberd", fmt.Sprintf("127.0.0.1:%d", c2s)}
	if err := p.waitListening(ctx, fmt.Sprintf("127.0.0.1:%d", api)); err != nil {
		return s, err
	}
	return s, foundEjabberd(ctx, fmt.Sprintf("http://127.0.0.1:%d/api/", api), c)
}

// foundEjabberd registers the users and puts them into mod_shared_roster groups.
func foundEjabberd(ctx context.Context, api string, c company) error {
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(8)
	for i := range c.accounts {
		calls.Go(func() error {
			return post(ctx, api+"register", map[string]any{"user": userName(i), "host": domain, "password": password})
		})
	}
	err := c.each(func(group, first, size int) error {
		name := fmt.Sprintf("g%d", group)
		if err := post(ctx, api+"srg_create", map[string]any{"group": name, "host": domain, "label": name, "description": "", "display": name}); err != nil {
			return err
		}
		for i := range size {
			calls.Go(func() error {
				return post(ctx, api+"srg_user_add", map[string]any{"user": userName(first + i), "host": domain, "group": name, "grouphost": domain})
			})
		}
		return nil
	})
	if failed := calls.Wait(); failed != nil {
		return failed
	}
	return err
}

const ejabberdConfig = `hosts: [localhost]
loglevel: 2
auth_method: internal
auth_password_format: scram
auth_scram_hash: sha256
listen:
  - {port: %d, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 262144, backlog: 128, shaper: none, access: all, %s}
  - {port: %d, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {/api: mod_http_api}}
acl: {loopback: {ip: ["127.0.0.0/8"]}}
api_permissions:
  bench: {from: mod_http_api, who: {access: {allow: {acl: loopback}}}, what: ["*"]}
shaper: {}
shaper_rules: {}
modules:
  mod_admin_extra: {}
  mod_disco: {}
  mod_http_api: {}
  mod_offline: {}
  mod_ping: {}
  mod_roster: {}
  mod_shared_roster: {}
`

// ejabberdArchive continues the modules: everybody's messages are kept, in SQLite as ours.
const ejabberdArchive = `  mod_mam: {default: always}
`
