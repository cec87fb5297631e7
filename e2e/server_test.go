package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// readyPoll is how often a starting server is asked whether it is ready.
const readyPoll = 20 * time.Millisecond

// server is one running tincan with a data folder of its own.
type server struct {
	*peer.Process // the one that runs now
	lives         []*peer.Process
	where         place
	folder        string
	sip, tls      int // ports
	http, wss     int
	iax2          int // port
	rtp           struct{ first, last int }
}

// place is where a server runs: its address, its network namespace, after what
// silence a call ends there (the server's default when empty), and more lines for
// the table [sip] of its configuration.
type place struct {
	ip        string
	external  string // its address outside; ip when empty
	netns     peer.Netns
	deadMedia string
	wss       int // port for browsers; a free one when 0
	sip       string
	iax2      string // lines for the table [iax2]
	more      string // tables at the end
	weak      bool   // it may do nothing with the kernel's networks
	kernel    string // of [rtp]; empty: off, so that tests see the process's own relay
}

// startServer starts a server on the loopback with what space says; extra are
// lines of tincan.toml that stand before its first table.
func startServer(t *testing.T, space string, extra ...string) *server {
	t.Helper()
	return startServerAt(t, place{ip: "127.0.0.1"}, space, extra...)
}

func startServerAt(t *testing.T, where place, space string, extra ...string) *server {
	t.Helper()
	s := &server{
		where: where, folder: t.TempDir(),
		sip: peer.FreePort(t), tls: peer.FreePort(t), http: peer.FreePort(t), iax2: peer.FreePort(t), wss: where.wss,
	}
	if s.wss == 0 {
		s.wss = peer.FreePort(t)
	}
	s.rtp.first, s.rtp.last = peer.FreeBlock(t)
	s.configure(t, extra...)
	t.Cleanup(func() { // before any phone's, so that it runs after them all
		for _, life := range s.lives {
			life.CleanUp(t)
		}
	})
	s.start(t)
	s.apply(t, space)
	return s
}

// configure writes the server's tincan.toml.
func (s *server) configure(t *testing.T, extra ...string) {
	t.Helper()
	media := fmt.Sprintf("kernel = %q\n", cmp.Or(s.where.kernel, "off"))
	if s.where.deadMedia != "" {
		media += fmt.Sprintf("timeout = %q", s.where.deadMedia)
	}
	s.write(t, "tincan.toml", fmt.Sprintf(configText, filepath.Join(s.folder, "data"), s.address(),
		s.addressTLS(), cmp.Or(s.where.external, s.where.ip), s.rtp.first, s.rtp.last, s.http, strings.Join(extra, "\n"), media, s.where.sip, s.where.more, s.addressWSS(), s.addressIAX2(), s.where.iax2))
}

// configText takes the data folder, the SIP address, the TLS address, the
// address told to phones, the first and last RTP port, the HTTP port, more lines
// for the top, for the media and for [sip], more tables, the address for browsers,
// the IAX2 address and more lines for [iax2].
const configText = `data = %q
%[8]s
[sip]
udp = [%[2]q]
tcp = [%[2]q]
tls = [%[3]q]
external = %[4]q
%[10]s
[rtp]
ports = "%[5]d-%[6]d"
%[9]s
[http]
listen = "127.0.0.1:%[7]d"
tls = [%[12]q]
[iax2]
udp = [%[13]q]
%[14]s
%[11]s`

func (s *server) address() string        { return net.JoinHostPort(s.where.ip, strconv.Itoa(s.sip)) }
func (s *server) uri(user string) string { return "sip:" + user + "@" + s.address() }
func (s *server) addressTLS() string     { return net.JoinHostPort(s.where.ip, strconv.Itoa(s.tls)) }

func (s *server) addressIAX2() string { return net.JoinHostPort(s.where.ip, strconv.Itoa(s.iax2)) }

func (s *server) addressWSS() string { return net.JoinHostPort(s.where.ip, strconv.Itoa(s.wss)) }
func (s *server) config() string     { return filepath.Join(s.folder, "tincan.toml") }

func (s *server) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts the process and waits until it is ready.
func (s *server) start(t *testing.T) {
	t.Helper()
	path, args := os.Getenv(binaryEnv), []string{"serve", "--config", s.config()}
	if s.where.weak {
		peer.Need(t, "setpriv")
		path, args = "setpriv", append([]string{"--bounding-set=-bpf,-net_admin,-sys_admin", "--", path}, args...)
	}
	s.Process = peer.Launch(t, peer.Spec{Name: "tincan", Path: path, Args: args, Dir: s.folder, Netns: s.where.netns})
	s.lives = append(s.lives, s.Process)
	deadline := time.NewTimer(peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for !s.healthy() {
		select {
		case <-ticker.C:
		case <-s.Done():
			t.Fatal("the server ended before it was ready")
		case <-deadline.C:
			t.Fatalf("the server is not ready after %v", peer.Patience)
		}
	}
}

func (s *server) healthy() bool {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, DialContext: s.where.netns.Dial,
	}}
	response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", s.http))
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// crash ends the server as a power cut ends a program, and starts it again.
func (s *server) crash(t *testing.T) {
	t.Helper()
	s.Signal(t, syscall.SIGKILL)
	<-s.Done()
	s.start(t)
}

// tincan runs a subcommand against this server and returns what it prints.
func (s *server) tincan(t *testing.T, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*peer.Patience)
	defer cancel()
	command := exec.CommandContext(ctx, os.Getenv(binaryEnv), append(args, "--config", s.config())...)
	output, err := command.Output()
	if err != nil {
		var stderr []byte
		if exit, ok := err.(*exec.ExitError); ok {
			stderr = exit.Stderr
		}
		t.Fatalf("tincan %v: %v\n%s%s", args, err, output, stderr)
	}
	return output
}

// trace follows an extension's SIP messages until the test ends.
func (s *server) trace(t *testing.T, number string) *peer.Process {
	t.Helper()
	p := peer.Start(t, peer.Spec{
		Name: "tincan trace", Path: os.Getenv(binaryEnv),
		Args: []string{"trace", "--verbose", "--extension", number, "--config", s.config()},
	})
	p.Await(t, "TINCAN") // the title: from now on it sees all
	return p
}

func (s *server) apply(t *testing.T, space string) {
	t.Helper()
	s.tincan(t, "apply", s.write(t, "space.toml", space))
}

// registration is a device as `tincan registrations --json` lists it.
type registration struct {
	Extension string `json:"extension"`
	Contact   string `json:"contact"`
	Transport string `json:"transport"`
	Received  string `json:"received"`
}

func (s *server) registrations(t *testing.T) []registration {
	t.Helper()
	var list []registration
	s.list(t, &list, "registrations")
	return list
}

// callCount is how many calls are up.
func (s *server) callCount(t *testing.T) int {
	t.Helper()
	var list []json.RawMessage
	s.list(t, &list, "calls")
	return len(list)
}

func (s *server) list(t *testing.T, into any, command ...string) {
	t.Helper()
	output := s.tincan(t, append(command, "--json")...)
	if err := json.Unmarshal(output, into); err != nil {
		t.Fatalf("tincan %v --json: %v\n%s", command, err, output)
	}
}

// awaitNoCalls waits until every call is over on the server's side too.
func (s *server) awaitNoCalls(t *testing.T) { t.Helper(); s.awaitCalls(t, 0) }

// awaitCalls waits until so many calls are up.
func (s *server) awaitCalls(t *testing.T, want int) {
	t.Helper()
	deadline := time.NewTimer(peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * readyPoll)
	defer ticker.Stop()
	for {
		n := s.callCount(t)
		if n == want {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%d calls are up, want %d", n, want)
		}
	}
}
