package peer

import (
	"os"
	"os/exec"
	"testing"
)

// RequireEnv makes a missing peer a failure: `make test` sets it, so that
// nothing is skipped in silence there.
const RequireEnv = "TINCAN_REQUIRE_PEERS"

// Need skips the test when a program is not on PATH, or fails it when peers are
// required.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program+" is not installed: run scripts/deps test")
		}
	}
}

// NeedRoot skips the test, or fails it when peers are required, for anyone who
// may not make network namespaces.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "network namespaces need root: run the tests with sudo")
	}
}

func missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(RequireEnv) != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}
