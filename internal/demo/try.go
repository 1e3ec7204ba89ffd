package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/rolecall/rolecall/internal/app"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/profiles/graph/standin"
)

// Try runs a server with the demo company on loopback ports that are free, with a stand-in for
// Microsoft's cloud. If play is set, the demo is played once, and those who took part stay online. Try
// returns when ctx ends. The log goes to a file in the data folder: what happens is told on out.
func Try(ctx context.Context, cfg app.Config, play bool, out io.Writer) error {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return err
	}
	logFile := filepath.Join(cfg.Data, "rolecall.log")
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cloud, err := startCloud(cfg.Data)
	if err != nil {
		return err
	}
	defer cloud.Close()
	if cfg, err = onLoopback(cfg, cloud.Settings()); err != nil {
		return err
	}
	a, err := app.New(ctx, cfg, app.Options{Log: app.NewLogger(cfg.Log, log), Demo: func(d *uc.Directory) app.DemoInfo {
		return app.DemoInfo{Password: Password, Cloud: cloud.ControlURL(), Phones: Phones(d), Users: users(d)}
	}})
	if err != nil {
		return err
	}
	if err := Found(ctx, a.Directory()); err != nil {
		over, stop := context.WithCancel(ctx)
		stop()
		return errors.Join(err, a.Run(over)) // closes what New has opened
	}
	greet(out, a.Info(), logFile)
	return run(ctx, a, cfg.Data, play, out)
}

func run(ctx context.Context, a *app.App, data string, play bool, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	running := make(chan error, 1)
	go func() { running <- a.Run(ctx) }()
	var played error
	if play {
		played = playAndStay(ctx, data, out)
	}
	if played == nil {
		fmt.Fprintf(out, "\nRunning until Ctrl-C. Open %s\n", a.Info().Web)
		return <-running
	}
	stop()
	return errors.Join(played, <-running)
}

// playAndStay plays the demo and leaves everybody online until ctx ends.
func playAndStay(ctx context.Context, data string, out io.Writer) error {
	s, err := newStage(ctx, data, out)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, s.close)
	if err := s.play(ctx); err != nil {
		return err
	}
	return s.stay(ctx)
}

// startCloud starts the stand-in with everybody's account.
func startCloud(data string) (*standin.Server, error) {
	cloud, err := standin.Start(standin.Options{Dir: data})
	if err != nil {
		return nil, err
	}
	for _, p := range people {
		cloud.AddUser(standin.User{UPN: p.login + mailDomain, Mail: p.login + mailDomain, Enabled: true})
	}
	return cloud, nil
}

// defaultWeb is where the admin page of a server listens that has no other setting, with TLS.
const defaultWeb = ":8443"

// onLoopback puts a server's addresses on loopback, at the ports of the settings if they are free, and points it at the
// stand-in, with the waits of a demo.
func onLoopback(cfg app.Config, cloud standin.Settings) (app.Config, error) {
	secret := filepath.Join(cfg.Data, "teams-secret")
	if err := os.WriteFile(secret, []byte(cloud.ClientSecret), 0o600); err != nil {
		return cfg, err
	}
	web := cfg.HTTP.Listen
	if web == defaultWeb {
		web = ":8080"
	}
	cfg.Grace = 2 * time.Second
	cfg.XMPP.Listen, cfg.XMPP.ListenTLS = freeAddress(cfg.XMPP.Listen), freeAddress(cfg.XMPP.ListenTLS)
	cfg.S2S = app.FederationConfig{}
	cfg.SIP.IP, cfg.SIP.UDP, cfg.SIP.TCP, cfg.SIP.TLS = "127.0.0.1", freePort(cfg.SIP.UDP), freePort(cfg.SIP.TCP), freePort(cfg.SIP.TLS)
	cfg.HTTP = app.HTTPConfig{Listen: freeAddress(web), Plain: true}
	cfg.Teams = app.TeamsConfig{
		TenantID: cloud.TenantID, ClientID: cloud.ClientID, ClientSecretFile: secret, Cloud: "global",
		AuthorityHost: cloud.AuthorityHost, GraphURL: cloud.GraphURL, CAFile: cloud.CAFile,
		Interval: time.Second, LeaveDelay: 2 * time.Second,
	}
	return cfg, cfg.Validate()
}

// freeAddress is the port of an address on loopback, or another one that is free.
func freeAddress(address string) string {
	_, port, _ := net.SplitHostPort(address) // without one any will do
	return net.JoinHostPort("127.0.0.1", freePort(port))
}

// freePort returns the port itself if both TCP and UDP have it free on loopback, else "0" for any.
func freePort(port string) string {
	address := net.JoinHostPort("127.0.0.1", port)
	tcp, err := net.Listen("tcp", address) //nolint:noctx // a look whether the port is free
	if err != nil {
		return "0"
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", address) //nolint:noctx // likewise
	if err != nil {
		return "0"
	}
	udp.Close()
	return cmp.Or(port, "0")
}

func users(d *uc.Directory) map[string]uc.UserID {
	ids := make(map[string]uc.UserID)
	for id, u := range d.Users.All() {
		ids[u.Login] = id
	}
	return ids
}

// greet says what to open and who to sign in as.
func greet(out io.Writer, info app.Info, logFile string) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "Rolecall runs with a demo company; everybody's password is %s\n", Password)
	fmt.Fprintf(w, "  admin page\t%s\tsign in as admin\n", info.Web)
	fmt.Fprintf(w, "  chat\t%s (STARTTLS), %s (TLS)\tas anna@%s, ben@%s, clara@%s (supervisor), david, eva, finn\n",
		info.XMPP, info.XMPPTLS, info.Domain, info.Domain, info.Domain)
	fmt.Fprintf(w, "  telephones\t%s (UDP), %s (TCP), %s (TLS)\tcredentials on the admin page: Users, a user, Devices and FollowMe\n",
		info.SIP, info.SIPTCP, info.SIPTLS)
	fmt.Fprintf(w, "  REST\t%sapi/v1/openapi.json\t\n", info.Web)
	fmt.Fprintf(w, "  log\t%s\t\n", logFile)
	w.Flush()
}
