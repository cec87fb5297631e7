// Package e2e tests the built program from outside, as phones would: baresip,
// linphonec and SIPp as separate processes, on free ports of the loopback or in
// network namespaces of the test's own.
//
//	phone A (plays 440 Hz) ──SIP, RTP──> tincan <──SIP, RTP── phone B (plays 880 Hz)
//	   └─ records: must hold 880                                 └─ records: must hold 440
//
// Each test has a server of its own with an empty data folder. Tests wait for
// events with a bound, never for the clock; e2e/peer holds the phones, e2e/tone
// the tones. TINCAN_BIN names a built program to test instead of building one.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binaryEnv names a program that is built already.
const binaryEnv = "TINCAN_BIN"

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// run builds the program once for all tests; each finds it through binaryEnv.
func run(m *testing.M) int {
	if os.Getenv(binaryEnv) != "" {
		return m.Run()
	}
	folder, err := os.MkdirTemp("", "tincan-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	binary := filepath.Join(folder, "tincan")
	build := exec.Command("go", "build", "-o", binary, "tincan/cmd/tincan")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: build the program: %v\n%s", err, output)
		return 1
	}
	if err := os.Setenv(binaryEnv, binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
