package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tincan/e2e/peer"
	"tincan/e2e/tone"
)

// Calls that touch sound in each way that there is: soundCalls of each of
// soundNumbers, soundRate of them a second, each of soundLength.
const (
	soundWarm   = 500
	soundCalls  = 2000
	soundRate   = 60
	soundLength = 700 * time.Millisecond

	// lastTimers is how long what a call began may go on after it: the timers of SIP
	// (RFC 3261 17: 32 s), and a collection of garbage every two minutes.
	lastTimers = time.Minute

	// memoryMost is what may be added between the first calls and the last: memory
	// that the allocator has taken for peaks, in MB. 8,000 calls that each kept 5 kB
	// would be above.
	memoryMost = 40
)

var soundNumbers = []string{"800", "701", "*43", "9000"}

// TestTenThousandCallsWithSoundLeaveNothing: conferences, a tone played, the echo and
// transcoding: with all over, there are as many goroutines, file descriptors and media
// ports as before, and no more memory.
func TestTenThousandCallsWithSoundLeaveNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("two minutes of load")
	}
	from, to := peer.FreePort(t), peer.FreePort(t)
	ports := []int{from}
	space := trunkAt("to", to) + "codecs = [\"pcma\"]\n"
	for range soundNumbers[1:] {
		ports = append(ports, peer.FreePort(t))
	}
	for i, number := range soundNumbers {
		name := fmt.Sprint("from", i)
		space += trunkAt(name, ports[i])
		target := map[string]string{"800": "conference:lounge", "701": "app:play/vm-youhave&digits/3", "*43": "app:echo", "9000": "trunk:to/1"}[number]
		space += fmt.Sprintf("[[route]]\nfrom = \"trunk:%s\"\nnumber = %q\nto = %q\n", name, number, target)
	}
	s := startServer(t, space)
	peer.StartSIPp(t, peer.SIPp{
		Scenario: filled(t, "party.xml", t.TempDir(), "FORMAT", "PCMA/8000"), Port: to,
		Args: []string{"-mp", fmt.Sprint(peer.FreeMedia(t)), "-rtp_echo"},
	})
	before := s.metrics(t)
	s.soundCalls(t, ports, soundWarm)
	before[memory] = s.metrics(t)[memory]
	s.soundCalls(t, ports, soundCalls)
	after := s.settled(t, before)
	for _, name := range leaking {
		t.Logf("%s: %.0f before, %.0f after %d calls (memory: before the last %d of them)",
			name, before[name], after[name], len(ports)*(soundWarm+soundCalls), len(ports)*soundCalls)
	}
	if grown := (after[memory] - before[memory]) / 1e6; grown > memoryMost {
		t.Errorf("%.0f MB more memory", grown)
	}
}

// soundCalls makes n calls of each number, all numbers at once.
func (s *server) soundCalls(t *testing.T, ports []int, n int) {
	t.Helper()
	var callers []*peer.Process
	for i, number := range soundNumbers {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "tone"), tone.MuLaw(tone.Sine(adaTone, 5*time.Second, 8000)), 0o600); err != nil {
			t.Fatal(err)
		}
		callers = append(callers, peer.StartSIPp(t, peer.SIPp{
			Scenario: filled(t, "caller.xml", folder, "[media_port]", "[rtpstream_audio_port]",
				"<pause/>", `<nop><action><exec rtp_stream="tone,-1,0"/></action></nop><pause/>`),
			Remote: s.address(), Service: number, Port: ports[i], Calls: n, Rate: soundRate, Folder: folder,
			Args: []string{"-d", fmt.Sprint(soundLength.Milliseconds())},
		}))
	}
	for _, c := range callers {
		peer.AwaitSuccess(t, c, time.Duration(n/soundRate)*time.Second+2*peer.Patience)
	}
	s.awaitNoCalls(t)
}

// What a call could leave, by the names of /metrics.
const memory = "process_resident_memory_bytes"

var leaking = []string{"go_goroutines", "process_open_fds", "tincan_rtp_ports_used", memory}

// settled waits until nothing is left of calls, and no more than before, and gives
// what there is.
func (s *server) settled(t *testing.T, before map[string]float64) map[string]float64 {
	t.Helper()
	const slack = 10 // goroutines and files that come with the first call, or by themselves
	deadline := time.Now().Add(lastTimers)
	for {
		now := s.metrics(t)
		still := now["tincan_sip_server_transactions"]+now["tincan_sip_client_transactions"]+now["tincan_rtp_ports_used"] > 0
		for _, name := range leaking[:2] {
			still = still || now[name] > before[name]+slack
		}
		if !still {
			return now
		}
		if time.Now().After(deadline) {
			t.Fatalf("before: %v; %v after the last call: %v", before, lastTimers, now)
		}
		time.Sleep(10 * readyPoll)
	}
}

// metrics reads the values without labels of /metrics.
func (s *server) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", s.http))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	values := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			values[name] = v
		}
	}
	return values
}
