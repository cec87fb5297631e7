package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// scanPatience is what one of SIPVicious' tools may take: they wait for answers
// that do not come.
const scanPatience = 2 * time.Minute

// scan runs one of SIPVicious' tools against a server and returns what it says.
func scan(t *testing.T, s *server, tool string, args ...string) string {
	t.Helper()
	peer.Need(t, tool)
	p := peer.Start(t, peer.Spec{
		Name: tool, Path: tool, Env: []string{"HOME=" + t.TempDir()},
		Args: append(append([]string{"-P", strconv.Itoa(peer.FreePort(t)), "-p", strconv.Itoa(s.sip)}, args...), s.where.ip),
	})
	p.Wait(t, scanPatience)
	return strings.Join(p.Output(), "\n")
}

// Scanners find neither an extension nor a password, not even one that is on
// their list, and a call that stands loses no packet to them.
func TestScannersFindNothing(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	var words strings.Builder
	for i := range 400 {
		if i == 200 {
			fmt.Fprintln(&words, secretOf(ada))
		}
		fmt.Fprintf(&words, "guess%d\n", i)
	}
	if out := scan(t, s, "svmap"); !strings.Contains(out, "Tincan") {
		t.Errorf("svmap sees no server, so that the others prove nothing:\n%s", out)
	}
	for _, method := range []string{"REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"} {
		if out := scan(t, s, "svwar", "--force", "-e", "95-110", "-m", method); strings.Contains(out, "| "+ada) || strings.Contains(out, "| "+bob) {
			t.Errorf("svwar by %s finds extensions:\n%s", method, out)
		}
	}
	if out := scan(t, s, "svcrack", "-u", ada, "-d", s.write(t, "words.txt", words.String())); !strings.Contains(out, "found nothing") {
		t.Errorf("svcrack finds a password:\n%s", out)
	}
	var status struct {
		HeldBack int `json:"held_back"`
	}
	if s.list(t, &status, "status"); status.HeldBack == 0 {
		t.Error("status shows nothing that was held back")
	}
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
	for _, leg := range s.onlyRecord(t).Legs {
		if leg.Lost != 0 || leg.PacketsIn == 0 || leg.PacketsOut == 0 {
			t.Errorf("%d packets in, %d out, %d lost", leg.PacketsIn, leg.PacketsOut, leg.Lost)
		}
	}
	legs := s.onlyRecord(t).Legs
	for i, leg := range legs {
		if other := legs[1-i]; int64(leg.PacketsIn)-int64(other.PacketsOut) > endPackets {
			t.Errorf("of %d packets of one party %d went to the other", leg.PacketsIn, other.PacketsOut)
		}
	}
}

// endPackets is how many packets may come while a call begins or ends, and go to
// nobody.
const endPackets = 10
