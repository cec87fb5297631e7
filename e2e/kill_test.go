package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tincan/e2e/peer"
)

const (
	// killedCalls are made at killedRate a second while the server is killed
	// killTimes times. A call is short against the whole run, so that calls are
	// set up, stand and end at each kill.
	killedCalls  = 400
	killedRate   = 50
	killTimes    = 5
	killedLength = 700 * time.Millisecond

	// killStep is by how much later each kill comes, counted from a BYE's answer.
	// Calls come every 20 ms, so each kill meets them at another point.
	killStep = 4 * time.Millisecond

	// killedDead ends calls whose caller is gone: one that the server had
	// written as answered when it was killed, before the caller was told.
	killedDead = "5s"
)

// TestKillLosesNoRecord: a call whose BYE was answered with 200 has its record
// after kill -9 at any moment; one that stood is adopted, or recorded as
// interrupted.
func TestKillLosesNoRecord(t *testing.T) {
	from, to := peer.FreePort(t), peer.FreePort(t)
	s := startServerAt(t, place{ip: "127.0.0.1", deadMedia: killedDead}, trunkAt("from", from)+trunkAt("to", to)+`
[[route]]
from = "trunk:from"
number = "9000"
to = "trunk:to/9000"
`)
	// Calls that were being set up never end for the callee: it runs on.
	peer.StartSIPp(t, peer.SIPp{Scenario: "testdata/callee.xml", Port: to})
	log := callerLog(filepath.Join(t.TempDir(), "caller.log"))
	caller := log.startCaller(t, s, from)
	for n := range killTimes {
		log.await(t, "ended", killedCalls*(n+1)/(killTimes+1))
		<-time.After(killStep * time.Duration(n))
		s.Signal(t, syscall.SIGKILL)
		<-s.Done()
		ended := log.calls(t, "ended") // the next life's are not among them
		s.start(t)
		if lost := s.unrecorded(t, ended); len(lost) > 0 {
			t.Errorf("kill %d: calls that ended have no record: %v", n+1, lost)
		}
	}
	caller.Wait(t, 2*peer.Patience) // whatever its verdict: some calls may have had no answer
	s.awaitNoCalls(t)
	if lost := s.unrecorded(t, log.calls(t, "answered")); len(lost) > 0 {
		t.Errorf("calls that stood were neither adopted nor recorded as interrupted: %v", lost)
	}
	if n := len(log.calls(t, "ended")); n < killedCalls*9/10 {
		t.Errorf("%d calls of %d ended well: more were lost than were just being set up", n, killedCalls)
	}
}

// startCaller starts the caller, which logs to l. A call that gets no answer is
// given up.
func (l callerLog) startCaller(t *testing.T, s *server, port int) *peer.Process {
	t.Helper()
	return peer.StartSIPp(t, peer.SIPp{
		Scenario: "testdata/caller.xml", Remote: s.address(), Service: "9000", Port: port,
		Calls: killedCalls, Rate: killedRate,
		Args: []string{
			"-d", fmt.Sprint(killedLength.Milliseconds()), "-trace_logs", "-log_file", string(l),
			"-recv_timeout", fmt.Sprint((peer.Patience / 4).Milliseconds()),
		},
	})
}

// unrecorded are the calls, by SIP Call-IDs of a leg, that no record names.
func (s *server) unrecorded(t *testing.T, calls []string) []string {
	t.Helper()
	recorded := map[string]bool{}
	for _, r := range s.records(t) {
		for _, leg := range r.Legs {
			recorded[leg.CallID] = true
		}
	}
	return slices.DeleteFunc(calls, func(id string) bool { return recorded[id] })
}

// callerLog is the path of what caller.xml logs.
type callerLog string

// calls are the Call-IDs with which something was logged.
func (l callerLog) calls(t *testing.T, what string) []string {
	t.Helper()
	text, err := os.ReadFile(string(l))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var calls []string
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(line, what+" "); ok && strings.HasSuffix(id, "\n") {
			calls = append(calls, strings.TrimSpace(id))
		}
	}
	return calls
}

// await waits until something was logged with so many calls.
func (l callerLog) await(t *testing.T, what string, calls int) {
	t.Helper()
	deadline := time.NewTimer(peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for len(l.calls(t, what)) < calls {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("the caller's log has %d calls %s, want %d", len(l.calls(t, what)), what, calls)
		}
	}
}
