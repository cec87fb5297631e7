// Command bench measures the built server against bare peers and prints a table:
// `make bench`, or `go run ./bench -only call,relay -runs 1`.
//
//	experiment ─┬─ run 1: tincan, peer, peer ─┐
//	            ├─ run 2: tincan, peer, peer ─┼─> median of each value ─> table
//	            └─ ...                        ┘
//
// Runs alternate between subjects, so that what else the machine does falls on
// all alike; the median of five forgives two bad runs. Every subject is a process
// of its own on the loopback, whose cost is read from /proc. Nothing here is a
// test: a figure that misses its target is marked, and the command ends with 0.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "experiments to run, separated by commas; all when empty: "+strings.Join(keys(experiments()), ", "))
	flag.IntVar(&o.runs, "runs", 5, "runs of each, alternated; the median is shown")
	flag.StringVar(&o.binary, "tincan", "bin/tincan", "the server to measure")
	flag.DurationVar(&o.media, "media", 40*time.Second, "how long calls stand with sound")
	flag.BoolVar(&o.peersOnly, "peers", false, "measure the peers alone")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	only      string
	runs      int
	binary    string
	media     time.Duration
	peersOnly bool
}

func run(o options) error {
	chosen, err := choose(experiments(), o.only)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "tincan-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	l := &lab{folder: folder, media: o.media}
	if l.binary, err = filepath.Abs(o.binary); err != nil {
		return err
	}
	if err := l.buildPeers(); err != nil {
		return err
	}
	for _, e := range chosen {
		results, err := l.conduct(e, o)
		if err != nil {
			return fmt.Errorf("%s: %w", e.key, err)
		}
		if err := printTable(os.Stdout, e, results); err != nil {
			return err
		}
	}
	return nil
}

func choose(all []experiment, only string) ([]experiment, error) {
	if only == "" {
		return all, nil
	}
	var chosen []experiment
	for key := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(e experiment) bool { return e.key == key })
		if i < 0 {
			return nil, fmt.Errorf("-only %s: no experiment %q; there are %s", only, key, strings.Join(keys(all), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func keys(all []experiment) []string {
	var keys []string
	for _, e := range all {
		keys = append(keys, e.key)
	}
	return keys
}

// buildPeers builds the bare peers of this folder.
func (l *lab) buildPeers() error {
	for _, name := range []string{"b2b", "relay"} {
		build := exec.Command("go", "build", "-o", filepath.Join(l.folder, name), "tincan/bench/"+name)
		if output, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, output)
		}
	}
	return nil
}
