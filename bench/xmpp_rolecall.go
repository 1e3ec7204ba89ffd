package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/store"
	"github.com/rolecall/rolecall/internal/uc"
)

// iterations of SCRAM, the same for all servers.
const iterations = 4096

// startRolecall founds the company in the database and starts the binary.
func startRolecall(ctx context.Context, dir string, c company, o options) (*xmppServer, error) {
	if err := found(ctx, dir, c); err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
	args := []string{"serve", "--data=" + dir, "--domain=" + domain, "--http.listen=", "--xmpp.listen-s2s=", "--sip.ip=127.0.0.1",
		"--sip.udp=0", "--sip.tcp=", "--sip.tls=", "--log.level=warn", "--xmpp.max-rate=0"} // the peers have no limits either
	if !o.archive {
		args = append(args, "--xmpp.archive=0") // the peers have none either
	}
	if o.tls {
		args = append(args, "--xmpp.listen=", "--xmpp.listen-tls="+address)
	} else {
		args = append(args, "--xmpp.listen="+address, "--xmpp.listen-tls=", "--xmpp.insecure")
	}
	p, err := launch(dir, nil, o.binary, args...)
	if err != nil {
		return nil, err
	}
	return &xmppServer{p, "rolecall", address}, p.waitListening(ctx, address)
}

// found writes the company in one commit: thousands of commands of the directory would take minutes.
func found(ctx context.Context, dir string, c company) error {
	db, err := store.Open(ctx, "sqlite://"+filepath.Join(dir, "rolecall.db"), nil)
	if err != nil {
		return err
	}
	defer db.Close()
	d, err := directory.Open(ctx, db, bus.New(), directory.Options{Iterations: iterations})
	if err != nil {
		return err
	}
	first, err := d.AddUser(ctx, by, uc.NewUser{Password: password,
		User: uc.User{Login: userName(0), Name: userName(0), Auth: uc.AuthLocal, Voicemail: uc.VoicemailOff}})
	if err != nil {
		return err
	}
	base := d.Snapshot()
	all := *base.Roles.Get(uc.RoleAll)
	all.Types = nil // nobody sees everybody
	put := uc.Tables{Roles: []uc.Role{all}}
	for i := 1; i < c.users; i++ {
		u := *base.Users.Get(first.ID)
		u.ID, u.Login, u.Name = first.ID+uc.UserID(i), userName(i), userName(i)
		put.Users = append(put.Users, u)
	}
	role := all.ID
	_ = c.each(func(group, from, size int) error { // never fails
		role++
		r := uc.Role{ID: role, Title: fmt.Sprintf("Group %d", group), Types: []uc.RoleType{uc.TypeXMPPGroup}}
		for i := range size {
			r.Users = append(r.Users, first.ID+uc.UserID(from+i))
		}
		put.Roles = append(put.Roles, r)
		return nil
	})
	return db.SaveDirectory(ctx, base.Version, []uc.Commit{{
		Version: base.Version + 1, Change: uc.ChangeSet{Put: put},
		Sequences: uc.Sequences{uc.KindUser: int64(first.ID) + int64(c.users), uc.KindRole: int64(role)},
		Audit:     uc.AuditEntry{Time: time.Now(), By: by, Text: "added the company of the measurement"},
	}})
}
