package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tincan/config"
)

// asProgram makes this test binary the program itself, for tests that need a
// process of its own.
const asProgram = "TINCAN_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// patience bounds what a test waits for; only a broken one waits that long.
const patience = 20 * time.Second

// place is a data folder with a configuration, where a server may run.
type place struct {
	t      *testing.T
	folder string
	server *server
}

// someFolder is a place where nothing runs. extra are lines of its configuration.
func someFolder(t *testing.T, extra ...string) *place {
	t.Helper()
	p := &place{t: t, folder: t.TempDir()}
	first := 10000 + 100*rand.IntN(200) // below the system's ephemeral ports
	p.write("tincan.toml", fmt.Sprintf(`data = "data"
shutdown = "20s"
%s
[rtp]
ports = "%d-%d"
kernel = "off"
[http]
listen = "127.0.0.1:0"
tls = ["127.0.0.1:0"]
[iax2]
udp = ["127.0.0.1:0"]
[sip]
udp = ["127.0.0.1:0"]
tcp = ["127.0.0.1:0"]
tls = ["127.0.0.1:0"]
external = "127.0.0.1"
`, strings.Join(extra, "\n"), first, first+99))
	return p
}

// served is a place where a server runs within the test.
func served(t *testing.T) *place {
	t.Helper()
	p := someFolder(t)
	p.serve()
	return p
}

func (p *place) serve() {
	p.t.Helper()
	s, err := startServer(context.Background(), p.config(), slog.New(slog.DiscardHandler))
	if err != nil {
		p.t.Fatal(err)
	}
	p.server = s
	p.t.Cleanup(func() {
		if err := s.close(); err != nil {
			p.t.Error(err)
		}
	})
}

func (p *place) config() *config.Config {
	p.t.Helper()
	cfg, err := config.Load(p.file("tincan.toml"))
	if err != nil {
		p.t.Fatal(err)
	}
	return cfg
}

func (p *place) file(name string) string { return filepath.Join(p.folder, name) }

func (p *place) write(name, text string) string {
	p.t.Helper()
	if err := os.WriteFile(p.file(name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return p.file(name)
}

// udp is where the server hears SIP.
func (p *place) udp() netip.AddrPort {
	for _, s := range p.server.sockets {
		if s.Proto == "udp" {
			return s.Addr
		}
	}
	p.t.Fatal("the server has no UDP socket")
	return netip.AddrPort{}
}

// try runs a command with a standard input.
func (p *place) try(stdin string, args ...string) (stdout string, err error) {
	var out, errOut bytes.Buffer
	cmd := command(&out, &errOut)
	cmd.SetArgs(append(args, "--config", p.file("tincan.toml")))
	cmd.SetIn(strings.NewReader(stdin))
	err = cmd.ExecuteContext(p.t.Context())
	return out.String(), err
}

// run runs a command that must work.
func (p *place) run(args ...string) string {
	p.t.Helper()
	out, err := p.try("", args...)
	if err != nil {
		p.t.Fatalf("tincan %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// refused runs a command that must fail, and gives what it says.
func (p *place) refused(args ...string) string {
	p.t.Helper()
	out, err := p.try("", args...)
	if err == nil {
		p.t.Fatalf("tincan %s worked:\n%s", strings.Join(args, " "), out)
	}
	return err.Error()
}

// decode runs a command with --json.
func decode[T any](p *place, args ...string) (v T) {
	p.t.Helper()
	out := p.run(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		p.t.Fatalf("tincan %s --json: %v\n%s", strings.Join(args, " "), err, out)
	}
	return v
}

func (p *place) apply(space string) string {
	p.t.Helper()
	return p.run("apply", p.write("space.toml", space))
}

// eitherWay runs a test against a running server and against the store alone.
func eitherWay(t *testing.T, test func(t *testing.T, p *place)) {
	t.Run("server", func(t *testing.T) { test(t, served(t)) })
	t.Run("alone", func(t *testing.T) { test(t, someFolder(t)) })
}
