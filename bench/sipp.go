package main

import (
	"net"
	"path/filepath"
	"strconv"

	"tincan/bench/proc"
)

// scenarios is where the SIPp scenarios are, seen from the repository's root.
const scenarios = "e2e/testdata"

// sipp starts a scenario on its own address (host:port) for a number of calls.
func (l *lab) sipp(scenario, own string, calls int, args ...string) (*proc.Process, error) {
	path, err := filepath.Abs(filepath.Join(scenarios, scenario))
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(own)
	if err != nil {
		return nil, err
	}
	all := append([]string{"-sf", path, "-i", host, "-p", port, "-m", strconv.Itoa(calls), "-nostdin"}, args...)
	return proc.Start(l.folder, "sipp", all...)
}
