package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"tincan/e2e/peer"
)

// lamps is a phone with many lamps: a SIPp with one subscription a lamp.
type lamps struct {
	log string
}

// firstLamp is the number of the first lamp's extension.
const firstLamp = 201

// startLamps subscribes a phone of an extension to n others.
func startLamps(t *testing.T, s *server, number string, n int) *lamps {
	t.Helper()
	folder := t.TempDir()
	lines := []string{"SEQUENTIAL"}
	challenge := challenged(t, s, number)
	for i := range n {
		uri := fmt.Sprintf("sip:%d@%s", firstLamp+i, s.address())
		proof, err := digest.Digest(challenge, digest.Options{
			Method: "SUBSCRIBE", URI: uri, Username: number, Password: secretOf(number), Count: i + 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%d;%s", firstLamp+i, proof))
	}
	numbers := filepath.Join(folder, "lamps.csv")
	if err := os.WriteFile(numbers, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &lamps{log: filepath.Join(folder, "lamps.log")}
	peer.StartSIPp(t, peer.SIPp{
		Scenario: "testdata/lamp.xml", Remote: s.address(), Service: number, Calls: n, Rate: 100, Limit: n,
		Inject: numbers, Folder: folder, Args: []string{"-trace_logs", "-log_file", l.log},
	})
	return l
}

// challenged asks the server for a nonce, with which all lamps prove themselves.
func challenged(t *testing.T, s *server, number string) *digest.Challenge {
	t.Helper()
	conn, err := s.where.netns.Dial(t.Context(), "udp", s.address())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(peer.Patience))
	_, err = fmt.Fprintf(conn, challengeText, s.address(), conn.LocalAddr(), number)
	if err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	size, err := conn.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(answer[:size])) {
		if value, ok := strings.CutPrefix(line, "WWW-Authenticate: "); ok {
			c, err := digest.ParseChallenge(strings.TrimSpace(value))
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
	}
	t.Fatalf("no challenge in %q", answer[:size])
	return nil
}

// challengeText takes the server's address, ours and the number that asks.
const challengeText = "SUBSCRIBE sip:%[3]s@%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bKask\r\n" +
	"From: <sip:%[3]s@%[1]s>;tag=ask\r\nTo: <sip:%[3]s@%[1]s>\r\nCall-ID: ask\r\nCSeq: 1 SUBSCRIBE\r\n" +
	"Contact: <sip:%[3]s@%[2]s>\r\nEvent: dialog\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"

// lampExtensions is a space.toml with the extensions of n lamps.
func lampExtensions(n int) string {
	var numbers []string
	for i := range n {
		numbers = append(numbers, strconv.Itoa(firstLamp+i))
	}
	return people(numbers...)
}

// seen gives what the lamps were told, in order: "250 early", "250 " when idle.
func (l *lamps) seen() (all []string) {
	text, _ := os.ReadFile(l.log) // not there yet: nothing was told
	for line := range strings.Lines(string(text)) {
		if _, what, ok := strings.Cut(strings.TrimRight(line, "\n"), "lamp "); ok {
			all = append(all, what)
		}
	}
	return all
}

// await waits until what the lamps were told is good.
func (l *lamps) await(t *testing.T, what string, good func(seen []string) bool) {
	t.Helper()
	deadline := time.NewTimer(peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for !good(l.seen()) {
		select {
		case <-ticker.C:
		case <-deadline.C:
			seen := l.seen()
			t.Fatalf("the lamps never showed %s; they were told %d things, at last %q", what, len(seen), seen[max(0, len(seen)-10):])
		}
	}
}

// idle counts those told that nothing goes on.
func idle(seen []string) (n int) {
	for _, s := range seen {
		if strings.HasSuffix(s, " ") {
			n++
		}
	}
	return n
}

// TestLampsOfOnePhone: of 200 lamps a call lights the right one, and no other; after
// kill -9 of the server too.
func TestLampsOfOnePhone(t *testing.T) {
	t.Parallel()
	const n, lit = 200, "250"
	s := startServer(t, people(ada, bob)+lampExtensions(n))
	l := startLamps(t, s, bob, n)
	l.await(t, "200 idle extensions", func(seen []string) bool { return idle(seen) == n })
	a, b := baresip(t, s, ada), baresip(t, s, lit)
	lights := func() {
		t.Helper()
		before := len(l.seen())
		a.Dial(t, lit)
		b.AwaitIncoming(t)
		for _, state := range []string{"early", "confirmed", "terminated"} {
			l.await(t, lit+" "+state, func(seen []string) bool { return slices.Contains(seen[before:], lit+" "+state) })
			switch state {
			case "early":
				b.Answer(t)
			case "confirmed":
				b.Hangup(t)
				a.AwaitClosed(t)
			}
		}
		for _, what := range l.seen()[before:] {
			if !strings.HasPrefix(what, lit+" ") {
				t.Errorf("another lamp was told: %q", what)
			}
		}
	}
	lights()
	told := len(l.seen())
	s.crash(t)
	l.await(t, "all lamps told again", func(seen []string) bool { return len(seen)-told == n })
	lights()
}
