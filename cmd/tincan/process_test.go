package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is tincan serve as a process of its own.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *bufio.Reader
	gone chan struct{} // closed once it has ended
}

func start(t *testing.T, p *place) *process {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), self, "serve", "--config", p.file("tincan.toml"))
	cmd.Env = append(os.Environ(), asProgram+"=1")
	r, w, err := os.Pipe() // holds what nobody reads
	must(t, err)
	cmd.Stderr = w
	must(t, cmd.Start())
	must(t, w.Close())
	s := &process{t, cmd, bufio.NewReader(r), make(chan struct{})}
	go func() {
		defer close(s.gone)
		_ = cmd.Wait() // ended gives its code
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-s.gone
		_ = r.Close()
	})
	s.says("ready")
	return s
}

// says reads the log until a message begins like this.
func (s *process) says(message string) string {
	s.t.Helper()
	for {
		line, err := s.log.ReadString('\n')
		if err != nil {
			s.t.Fatalf("the log ends before %q: %v", message, err)
		}
		var l struct {
			Msg string `json:"msg"`
		}
		if json.Unmarshal([]byte(line), &l) == nil && strings.HasPrefix(l.Msg, message) {
			return line
		}
	}
}

func (s *process) signal(sig os.Signal) {
	s.t.Helper()
	must(s.t, s.cmd.Process.Signal(sig))
}

// ended waits for the end and gives the code.
func (s *process) ended() int {
	s.t.Helper()
	select {
	case <-s.gone:
	case <-time.After(patience):
		s.t.Fatal("the server does not end")
	}
	return s.cmd.ProcessState.ExitCode()
}

// udpOf is where a server that runs elsewhere hears SIP.
func (p *place) udpOf() netip.AddrPort {
	p.t.Helper()
	for _, s := range decode[status](p, "status").Sockets {
		if s.Proto == "udp" {
			return s.Addr
		}
	}
	p.t.Fatal("the server has no UDP socket")
	return netip.AddrPort{}
}

// TestReload: SIGHUP takes a configuration whole or not at all, and a call lives on.
func TestReload(t *testing.T) {
	p := someFolder(t)
	s := start(t, p)
	p.apply(house)
	ph := newPhone(t, p.udpOf(), "reload")
	ph.call()
	text, err := os.ReadFile(p.file("tincan.toml"))
	must(t, err)

	p.write("tincan.toml", string(text)+"domian = \"x\"\n")
	s.signal(syscall.SIGHUP)
	if got := s.says("the configuration was read again and not taken"); !strings.Contains(got, "domian") {
		t.Error(got)
	}
	p.write("tincan.toml", strings.Replace(string(text), `data = "data"`, `data = "other"`, 1))
	s.signal(syscall.SIGHUP)
	if got := s.says("the configuration was read again and not taken"); !strings.Contains(got, "needs a restart: [data] changed") {
		t.Error(got)
	}
	p.write("tincan.toml", string(text)+"[sound]\nlanguage = \"fr\"\n")
	s.signal(syscall.SIGHUP)
	if got := s.says("the configuration was read again and not taken"); !strings.Contains(got, "needs a restart: [[sound]] changed") {
		t.Error(got)
	}
	p.write("tincan.toml", strings.Replace(string(text), "kernel = \"off\"", "kernel = \"auto\"", 1))
	s.signal(syscall.SIGHUP)
	if got := s.says("the configuration was read again and not taken"); !strings.Contains(got, "[rtp] kernel") {
		t.Error(got)
	}
	p.write("tincan.toml", strings.Replace(string(text), "127.0.0.1\"\n", "198.51.100.1\"\n", 1))
	s.signal(syscall.SIGHUP)
	s.says("configuration read again")
	if st := decode[status](p, "status"); st.External != "198.51.100.1" || st.Calls != 1 {
		t.Errorf("after the reload: %+v", st)
	}
	ph.hangUp()
	s.signal(syscall.SIGTERM)
	if code := s.ended(); code != 0 {
		t.Errorf("ends with %d", code)
	}
}

// TestStop: after SIGTERM a call may end by itself, and new ones are refused.
func TestStop(t *testing.T) {
	p := someFolder(t)
	s := start(t, p)
	p.apply(house)
	udp := p.udpOf()
	standing := newPhone(t, udp, "standing")
	standing.call()
	s.signal(syscall.SIGTERM)
	s.says("stopping: no new calls")
	for i := 0; ; i++ { // one may slip in just after the log
		late := newPhone(t, udp, fmt.Sprintf("late%d", i))
		if !late.tryCall() {
			break
		}
		late.hangUp()
	}
	standing.hangUp()
	if code := s.ended(); code != 0 {
		t.Errorf("ends with %d", code)
	}
}

// TestStopIsBounded: a call that does not end by itself gets a BYE.
func TestStopIsBounded(t *testing.T) {
	p := someFolder(t)
	text, err := os.ReadFile(p.file("tincan.toml"))
	must(t, err)
	p.write("tincan.toml", strings.Replace(string(text), `shutdown = "20s"`, `shutdown = "1ms"`, 1))
	s := start(t, p)
	p.apply(house)
	ph := newPhone(t, p.udpOf(), "bounded")
	ph.call()
	s.signal(syscall.SIGTERM)
	ph.answerBye()
	if code := s.ended(); code != 0 {
		t.Errorf("ends with %d", code)
	}
}

// TestStopAtOnce: a second signal does not wait for calls.
func TestStopAtOnce(t *testing.T) {
	p := someFolder(t)
	s := start(t, p)
	p.apply(house)
	newPhone(t, p.udpOf(), "left").call()
	s.signal(syscall.SIGTERM)
	s.says("stopping: no new calls")
	ticker := time.NewTicker(sameSignal / 4) // soon after the first it counts as the first
	defer ticker.Stop()
	for done := false; !done; {
		select {
		case <-s.gone:
			done = true
		case <-ticker.C:
			_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may be gone by now
		}
	}
	if code := s.ended(); code != 1 {
		t.Errorf("ends with %d", code)
	}
}
