package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tincan/e2e/peer"
)

const (
	loadCalls    = 1000
	loadCallRate = 50 // a second
	loadCallFor  = 2 * time.Second

	loadRegistrations    = 10000
	loadRegistrationRate = 250 // a second
	loadRegisterPatience = 3 * time.Minute
)

// TestThousandCallsTrunkToTrunk: 1,000 calls at 50 a second, each 2 s long, all
// complete.
func TestThousandCallsTrunkToTrunk(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of load")
	}
	from, to := peer.FreePort(t), peer.FreePort(t)
	s := startServer(t, trunkAt("from", from)+trunkAt("to", to)+`
[[route]]
from = "trunk:from"
number = "9000"
to = "trunk:to/9000"
`)
	callee := peer.StartSIPp(t, peer.SIPp{Scenario: "testdata/callee.xml", Port: to, Calls: loadCalls})
	caller := peer.StartSIPp(t, peer.SIPp{
		Scenario: "testdata/caller.xml", Remote: s.address(), Service: "9000", Port: from,
		Calls: loadCalls, Rate: loadCallRate,
		Args: []string{"-d", fmt.Sprint(loadCallFor.Milliseconds())},
	})
	const all = loadCalls/loadCallRate*time.Second + loadCallFor
	peer.AwaitSuccess(t, caller, all+peer.Patience)
	peer.AwaitSuccess(t, callee, peer.Patience)
	s.awaitNoCalls(t)
}

// TestTenThousandRegistrations: 10,000 extensions register with digest.
func TestTenThousandRegistrations(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of load")
	}
	var numbers []string
	csv := strings.Builder{}
	csv.WriteString("SEQUENTIAL\n")
	for i := range loadRegistrations {
		number := fmt.Sprint(20000 + i)
		numbers = append(numbers, number)
		fmt.Fprintf(&csv, "%s;[authentication username=%s password=%s]\n", number, number, secretOf(number))
	}
	s := startServer(t, people(numbers...))
	phones := peer.StartSIPp(t, peer.SIPp{
		Scenario: "testdata/register.xml", Remote: s.address(), Inject: s.write(t, "phones.csv", csv.String()),
		Calls: loadRegistrations, Rate: loadRegistrationRate,
	})
	peer.AwaitSuccess(t, phones, loadRegisterPatience)
	if got := len(s.registrations(t)); got != loadRegistrations {
		t.Errorf("%d registrations, want %d", got, loadRegistrations)
	}
}
