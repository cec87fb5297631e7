package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"tincan/bench/browser"
)

const (
	browsersCount = 100
	// browsersPatience is how long they have to come, and to call: what stands then is
	// what one browser can hold here, and is divided by.
	browsersPatience = 90 * time.Second
	// browsersSettle is until transactions and handshakes are forgotten and their
	// memory is given back.
	browsersSettle = 45 * time.Second
	// browsersFirst is the number of the first.
	browsersFirst = 20000
)

// flowsAlone is what was measured before there were browsers: media without
// signalling, both ends of a call in one process.
var flowsAlone = subject{name: "flows alone", needs: "go"}

// browsersExperiment: what a phone costs that is a page in a browser.
func browsersExperiment() experiment {
	return experiment{
		key: "browsers",
		about: fmt.Sprintf("%d phones of a page in Chromium: registered over WSS, then each in a call to the echo (ICE, DTLS, Opus); idle for %v each time",
			browsersCount, browsersSettle),
		subjects: []subject{{name: tincan.name, needs: "chromium npm"}, flowsAlone},
		measure:  measureBrowsers,
		figures: []figure{
			{key: "standing", name: "calls that stand", unit: ""},
			{key: "idle", name: "resident memory a phone, registered", unit: "kB"},
			{key: "idle-routines", name: "goroutines a phone, registered", unit: ""},
			{key: "call", name: "resident memory a phone, in a call", unit: "kB"},
			{key: "heap", name: "heap and stacks a phone, in a call", unit: "kB"},
			{key: "routines", name: "goroutines a phone, in a call", unit: ""},
		},
	}
}

func measureBrowsers(l *lab, s subject) (values, error) {
	if s.name == flowsAlone.name {
		return measureFlows()
	}
	objects := "[[route]]\nnumber = \"600\"\nto = \"app:echo\"\n"
	for i := range browsersCount {
		objects += fmt.Sprintf("[[extension]]\nnumber = \"%d\"\nname = \"Phone\"\nsecret = %q\n", browsersFirst+i, secret)
	}
	server, err := startTincan(l, setting{objects: objects, calls: browsersCount, wss: true})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	folder, err := os.MkdirTemp(l.folder, "browser-")
	if err != nil {
		return nil, err
	}
	crowd, err := browser.Open(folder)
	if err != nil {
		return nil, err
	}
	defer crowd.Close()
	return server.crowded(crowd)
}

// crowded measures the server empty, with all registered, and with all in calls.
func (r *running) crowded(c *browser.Crowd) (values, error) {
	empty, err := r.held()
	if err != nil {
		return nil, err
	}
	if err := c.Come("wss://"+r.wss+"/ws", "127.0.0.1", browsersFirst, browsersCount, secret); err != nil {
		return nil, err
	}
	registered, err := awaitCrowd(c, func(s browser.State) int { return s.Registered })
	if err != nil {
		return nil, err
	}
	idle, err := r.held()
	if err != nil {
		return nil, err
	}
	if err := c.Call("600"); err != nil {
		return nil, err
	}
	standing, err := awaitCrowd(c, func(s browser.State) int { return s.Standing })
	if err != nil {
		return nil, err
	}
	full, err := r.held()
	if err != nil {
		return nil, err
	}
	n, m := float64(registered), float64(standing)
	return values{
		"standing": m,
		"idle":     (idle.resident - empty.resident) / 1e3 / n, "idle-routines": (idle.routines - empty.routines) / n,
		"call": (full.resident - empty.resident) / 1e3 / m, "heap": (full.heap - empty.heap) / 1e3 / m,
		"routines": (full.routines - empty.routines) / m,
	}, nil
}

// awaitCrowd waits until all have come so far, or as many as can, and for the server
// to settle.
func awaitCrowd(c *browser.Crowd, count func(browser.State) int) (int, error) {
	for began := time.Now(); ; <-time.After(time.Second) {
		s, err := c.State()
		if err != nil {
			return 0, err
		}
		if count(s) < browsersCount && time.Since(began) < browsersPatience {
			continue
		}
		<-time.After(browsersSettle)
		if s, err = c.State(); err == nil && count(s) == 0 {
			err = fmt.Errorf("none of the browser's phones came so far: %q", s.Failed)
		}
		if n := count(s); n < browsersCount && err == nil {
			fmt.Fprintf(os.Stderr, "browsers: %d of %d, which one browser can hold here; others: %.3q\n", n, browsersCount, s.Failed)
		}
		return count(s), err
	}
}

// holding is what a server takes, in bytes, and of goroutines.
type holding struct{ resident, heap, routines float64 }

// held asks a server of ours.
func (r *running) held() (holding, error) {
	all, err := r.metrics()
	return holding{
		resident: all["process_resident_memory_bytes"],
		heap:     all["go_memstats_heap_inuse_bytes"] + all["go_memstats_stack_inuse_bytes"],
		routines: all["go_goroutines"],
	}, err
}

// flowsReport is what Go's benchmark of flows prints.
var flowsReport = regexp.MustCompile(`([0-9.e+]+) bytes/flow\s+([0-9.e+]+) goroutines/flow`)

// measureFlows runs that benchmark.
func measureFlows() (values, error) {
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkStandingFlows$", "-benchtime", "1x", "./phone/media/ice").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("the benchmark of flows: %w\n%s", err, out)
	}
	found := flowsReport.FindSubmatch(out)
	if found == nil {
		return nil, fmt.Errorf("the benchmark of flows says\n%s", out)
	}
	heap, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		return nil, err
	}
	routines, err := strconv.ParseFloat(string(found[2]), 64)
	return values{"heap": heap / 1e3, "routines": routines}, err
}
