package peer

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// SIPp is one run of a scenario.
type SIPp struct {
	Scenario string  // path of the XML
	Script   *Script // instead of one
	Name     string  // of the script
	IP       string  // its own address; 127.0.0.1 when empty
	Remote   string  // host:port to talk to; empty for a scenario that only answers
	Service  string  // the number called
	Port     int     // its own port; any when 0
	Calls    int     // ends after so many; runs until the test's end when 0
	Rate     int     // calls started a second; 10 when 0
	Limit    int     // most calls at once; SIPp's own choice when 0
	Inject   string  // CSV file whose lines fill [field0], [field1], ...
	Folder   string  // where it runs and finds files to play; the test's own when empty
	Args     []string
	Netns    Netns
}

// StartSIPp starts a scenario.
func StartSIPp(t testing.TB, s SIPp) *Process {
	t.Helper()
	Need(t, "sipp")
	if s.Port == 0 {
		s.Port = FreePort(t)
	}
	if s.IP == "" {
		s.IP = localhost
	}
	if s.Folder == "" {
		s.Folder = t.TempDir()
	}
	if s.Script != nil {
		s.Scenario = s.Script.write(t, s.Folder, fileName(s.Name))
		s.Args = append(s.Args, "-cid_str", fileName(s.Name)+"-%u")
	}
	scenario, err := filepath.Abs(s.Scenario)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-sf", scenario, "-i", s.IP, "-p", strconv.Itoa(s.Port), "-nostdin", "-trace_err"}
	args = append(args, s.numbers()...)
	if s.Inject != "" {
		args = append(args, "-inf", s.Inject)
	}
	if s.Service != "" {
		args = append(args, "-s", s.Service)
	}
	args = append(args, s.Args...)
	if s.Remote != "" {
		args = append(args, s.Remote)
	}
	return Start(t, Spec{
		Name: "sipp " + filepath.Base(s.Scenario), Path: "sipp", Args: args, Dir: s.Folder,
		Env: []string{"TERM=dumb"}, Netns: s.Netns,
	})
}

func (s SIPp) numbers() []string {
	var args []string
	for flag, n := range map[string]int{"-m": s.Calls, "-r": s.Rate, "-l": s.Limit} {
		if n > 0 {
			args = append(args, flag, strconv.Itoa(n))
		}
	}
	return args
}

// AwaitSuccess waits until every call of a SIPp run has ended as its scenario
// says.
func AwaitSuccess(t testing.TB, p *Process, d time.Duration) {
	t.Helper()
	if code := p.Wait(t, d); code != 0 {
		t.Fatalf("%s failed: %s", p.name, sippVerdict(code))
	}
}

// sippVerdict puts SIPp's exit codes (its manual, "Exit codes") in words.
func sippVerdict(code int) string {
	switch code {
	case 1:
		return "at least one call failed"
	case 97:
		return "no call was made in time"
	case 99:
		return "it ended without a call"
	case 254:
		return "it could not connect"
	default:
		return fmt.Sprintf("exit code %d", code)
	}
}
