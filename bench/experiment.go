package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"tincan/bench/proc"
)

// lab is where experiments happen: scratch space and what to measure.
type lab struct {
	folder string        // scratch, with the bare peers
	binary string        // the server
	media  time.Duration // how long calls stand with sound
}

// experiment is one way to load a server, and what it shows.
type experiment struct {
	key      string
	about    string
	subjects []subject
	measure  func(*lab, subject) (values, error)
	figures  []figure
}

// subject is a server that can be measured. The first of an experiment is ours.
type subject struct {
	name  string
	needs string // programs on PATH; the subject is left out without them
	start func(l *lab, setting setting) (*running, error)
}

// setting is what an experiment needs of a server.
type setting struct {
	callee     string   // where calls to 9000 go, host:port
	room       bool     // calls to 9000 meet in a conference instead
	codec      string   // the only one that the callee takes; any when empty
	extensions []string // accounts, all with the secret of register.go
	watched    []string // those of extensions that lamps show
	calls      int      // media ports wanted
	tls        bool     // listens for TLS too
	kernel     bool     // may relay in the kernel
	encryption string   // of both parties of calls to 9000, as space.toml has it; its own choice when empty
	objects    string   // space.toml, instead of what the others say
	wss        bool     // listens for browsers
	iax2       string   // listens there for IAX2; nowhere when empty
	ports      int      // the first media port, with iax2
	data       string   // data folder of an earlier run, to start again with; new when empty
}

// running is a started server.
type running struct {
	*proc.Process
	address string // SIP over UDP, host:port
	secure  string // SIP over TLS, where it was asked for
	config  string // path of ours
	http    string // of ours, where iax2 or wss was asked for
	wss     string // WebSockets over TLS, where they were asked for
	started time.Time
	ready   time.Duration // from start to the first answer
}

// values are what one run of one subject gave, by figure.
type values map[string]float64

// figure is a line of the table. limit is the target for our own median, from
// all summaries by subject; nil when there is none.
type figure struct {
	key, name, unit string
	limit           func(map[string]summary) (float64, string)
}

// summary is a figure over all runs of a subject.
type summary struct{ median, least, most float64 }

func summarize(runs []float64) summary {
	sorted := slices.Sorted(slices.Values(runs))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return summary{median, sorted[0], sorted[len(sorted)-1]}
}

// results are summaries by figure, then subject.
type results map[string]map[string]summary

// conduct runs an experiment and summarizes it.
func (l *lab) conduct(e experiment, o options) (results, error) {
	runs := map[string]map[string][]float64{} // by figure, then subject
	for n := range o.runs {
		for _, s := range e.present(o) {
			fmt.Fprintf(os.Stderr, "%s: run %d of %d: %s\n", e.key, n+1, o.runs, s.name)
			got, err := e.measure(l, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			for key, value := range got {
				if runs[key] == nil {
					runs[key] = map[string][]float64{}
				}
				runs[key][s.name] = append(runs[key][s.name], value)
			}
		}
	}
	all := results{}
	for key, bySubject := range runs {
		all[key] = map[string]summary{}
		for name, values := range bySubject {
			all[key][name] = summarize(values)
		}
	}
	return all, nil
}

// present are the subjects that can be had here.
func (e experiment) present(o options) []subject {
	var present []subject
	for i, s := range e.subjects {
		if i == 0 && o.peersOnly {
			continue
		}
		if lacking := s.lacks(); lacking != "" {
			fmt.Fprintf(os.Stderr, "%s: without %s: it needs %s, which is not installed (scripts/deps bench)\n", e.key, s.name, lacking)
			continue
		}
		present = append(present, s)
	}
	return present
}

// lacks names a program that a subject needs and that is not here; "": none.
func (s subject) lacks() string {
	for program := range strings.FieldsSeq(s.needs) {
		if _, err := exec.LookPath(program); err != nil {
			return program
		}
	}
	return ""
}

// atMost is a fixed target.
func atMost(limit float64) func(map[string]summary) (float64, string) {
	return func(map[string]summary) (float64, string) { return limit, fmt.Sprintf("<= %g", limit) }
}

// scaled is a target set on a machine where a peer's figure was known: it grows
// and shrinks with what the peer takes here, and stands as it is without it.
func scaled(ours float64, peer string, theirs float64) func(map[string]summary) (float64, string) {
	return func(by map[string]summary) (float64, string) {
		got, ok := by[peer]
		if !ok {
			return ours, fmt.Sprintf("<= %g", ours)
		}
		limit := ours / theirs * got.median
		return limit, fmt.Sprintf("<= %.4g (%g to the peer's %g)", limit, ours, theirs)
	}
}
