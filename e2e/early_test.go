package e2e

import (
	"fmt"
	"math"
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
	sound := tone.Sine(eveTone, 5*time.Second, 8000)
	coded := make([]byte, len(sound.Samples))
	for i, x := range sound.Samples {
		coded[i] = muLaw(x)
	}
	if err := os.WriteFile(filepath.Join(folder, "tone.ul"), coded, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// muLaw codes a sample of full scale 1 by the formula that G.711's segments
// approximate, which is near enough for a tone: sign, then 7 bits of
// ln(1+255|x|)/ln(256), all inverted.
func muLaw(x float64) byte {
	level := math.Log1p(255*math.Min(math.Abs(x), 1)) / math.Log(256)
	code := byte(math.Round(level * 127))
	if x >= 0 {
		code |= 0x80
		return code ^ 0x7F
	}
	return code ^ 0x7F
}
