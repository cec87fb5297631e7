package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tincan/e2e/peer"
	"tincan/e2e/tone"
)

// TestEarlyMediaIsHeardBeforeAnswer: the called side sends 183 and a tone, and
// never answers; the caller hears it and gives up.
func TestEarlyMediaIsHeardBeforeAnswer(t *testing.T) {
	t.Parallel()
	port := peer.FreePort(t)
	s := startServer(t, people(ada)+trunkAt("early", port)+`
[[route]]
number = "7000"
to = "trunk:early/7000"
`)
	callee := peer.StartSIPp(t, peer.SIPp{Scenario: "testdata/early.xml", Port: port, Calls: 1, Folder: toneFolder(t)})
	a := baresip(t, s, ada)
	a.Dial(t, "7000")
	a.AwaitProgress(t)
	a.Ear().Hears(t, eveTone)
	a.Hangup(t)
	peer.AwaitSuccess(t, callee, peer.Patience)
	s.awaitNoCalls(t)
}

// trunkAt is a trunk to a port of the loopback that is known by that port.
func trunkAt(name string, port int) string {
	return fmt.Sprintf("[[trunk]]\nname = %q\naddress = \"127.0.0.1:%d\"\nmatch = [\"127.0.0.1:%d\"]\n", name, port, port)
}

// toneFolder holds tone.ul: five seconds of a tone as raw PCMU.
func toneFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	coded := tone.MuLaw(tone.Sine(eveTone, 5*time.Second, 8000))
	if err := os.WriteFile(filepath.Join(folder, "tone.ul"), coded, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}
