// Package peer runs programs that others wrote (phones, SIPp) and the server
// under test as processes, and tells what they say and hear.
//
//	test ──commands──> Process / Baresip / Linphone ──SIP, RTP──> server
//	  ^                        │ lines, events (journal)
//	  └──Await… , Hears…───────┘ recordings (Ear)
//
// Each process has one goroutine that reads its output and one that waits for
// its end; a Baresip has one more that reads its events. All end with the
// process, which the test's clean-up kills by its id and waits for. Methods that
// take a testing.TB fail it when what they wait for does not come in Patience.
package peer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// Patience bounds every wait for a peer: long enough for a loaded machine of
	// two cores under the race detector; nobody waits for it when all is well.
	Patience = 20 * time.Second

	// stopPatience is how long a peer may take to end before it is killed.
	stopPatience = 3 * time.Second

	// maxLineBytes bounds one line of output: phones print whole SIP messages.
	maxLineBytes = 1 << 20

	// tailLines of output are shown when a test fails.
	tailLines = 80
)

// Spec says what to start.
type Spec struct {
	Name  string   // what reports call it
	Path  string   // the program: a path, or a name on PATH
	Args  []string // without the program's name
	Dir   string   // working folder; the test's own when empty
	Env   []string // added to the environment, as NAME=value
	Netns Netns    // network namespace to run in; the machine's own when empty
}

// Process is a running program. Methods may be called by any goroutine; Await
// moves a cursor, so one goroutine should do the awaiting.
type Process struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  *journal[string]
	cursor int
	done   chan struct{} // closed when the process has ended and its output is read
	once   sync.Once
}

// Start runs a program until the test ends.
func Start(t testing.TB, spec Spec) *Process {
	t.Helper()
	p := Launch(t, spec)
	t.Cleanup(func() { p.CleanUp(t) })
	return p
}

// Launch runs a program that the caller ends with CleanUp: a server that is
// started again must still outlive the phones that were started before.
func Launch(t testing.TB, spec Spec) *Process {
	t.Helper()
	argv := spec.Netns.command(append([]string{spec.Path}, spec.Args...))
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = spec.Dir, append(os.Environ(), spec.Env...)
	// A group of its own: an interrupt typed at the tests reaches it only
	// through the clean-up, in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := &Process{name: spec.Name, cmd: cmd, lines: newJournal[string](), done: make(chan struct{})}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("start %s: %v", spec.Name, err)
	}
	p.stdin = stdin
	output, input, err := os.Pipe()
	if err != nil {
		t.Fatalf("start %s: %v", spec.Name, err)
	}
	cmd.Stdout, cmd.Stderr = input, input
	err = cmd.Start()
	_ = input.Close() // the child has its own copy
	if err != nil {
		_ = output.Close()
		t.Fatalf("start %s: %v", spec.Name, err)
	}
	go p.follow(output)
	return p
}

// follow reads the output until its end, then reaps the process.
func (p *Process) follow(output io.ReadCloser) {
	defer close(p.done)
	scanner := bufio.NewScanner(output)
	scanner.Buffer(make([]byte, 0, 4096), maxLineBytes)
	scanner.Split(splitLines)
	for scanner.Scan() {
		if line := scanner.Text(); line != "" {
			p.lines.add(line)
		}
	}
	_ = output.Close()
	_ = p.cmd.Wait() // how it ended is in ProcessState
	p.lines.end()
}

// splitLines cuts at line feeds and carriage returns: baresip redraws its status
// line with the latter.
func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexAny(data, "\r\n"); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Output is all it has printed so far, a line an entry.
func (p *Process) Output() []string { return p.lines.all() }

// Send writes a line to its standard input.
func (p *Process) Send(t testing.TB, line string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		t.Fatalf("%s: send %q: %v", p.name, line, err)
	}
}

// Await waits for a line that contains any of texts, after the last one awaited,
// and returns it.
func (p *Process) Await(t testing.TB, texts ...string) string {
	t.Helper()
	return p.AwaitFor(t, Patience, texts...)
}

// AwaitFor does so for what takes its own time.
func (p *Process) AwaitFor(t testing.TB, patience time.Duration, texts ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	line, next, err := p.lines.await(ctx, p.cursor, func(line string) bool {
		for _, text := range texts {
			if strings.Contains(line, text) {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatalf("%s: never printed %q: %v", p.name, texts, err)
	}
	p.cursor = next
	return line
}

// Signal sends a signal; to a process that has ended it does nothing.
func (p *Process) Signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("%s: signal %v: %v", p.name, signal, err)
	}
}

// Wait waits for the process to end by itself, at most d, and returns its exit
// code (-1 when a signal ended it).
func (p *Process) Wait(t testing.TB, d time.Duration) int {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-timer.C:
		t.Fatalf("%s: still running after %v", p.name, d)
		return -1
	}
}

// Kill ends the process at once, as kill -9 does, and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only when it has ended
	<-p.done
}

// Stop asks the process to end and kills it when it does not.
func (p *Process) Stop() {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended
		timer := time.NewTimer(stopPatience)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
			p.Kill()
		}
		_ = p.stdin.Close()
	})
}

// CleanUp stops the process and, when the test has failed, shows what it said.
func (p *Process) CleanUp(t testing.TB) {
	p.Stop()
	if !t.Failed() {
		return
	}
	lines := p.Output()
	if cut := len(lines) - tailLines; cut > 0 {
		lines = lines[cut:]
	}
	t.Logf("---- %s said last ----\n%s", p.name, strings.Join(lines, "\n"))
}
