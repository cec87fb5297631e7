package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"tincan/bench/load"
)

const recordedCalls = 100

// wavSecond is a second of a recording: 16-bit samples of both sides at 8 kHz.
const wavSecond = 8000 * 2 * 2

// recordExperiment: standing calls that are all recorded, to the same calls relayed.
func recordExperiment() experiment {
	return experiment{
		key:      "record",
		about:    fmt.Sprintf("%d standing calls in PCMU, 50 packets a second each way, all recorded, both sides in stereo", recordedCalls),
		subjects: []subject{tincan},
		measure:  measureRecording,
		figures: []figure{
			{key: "relayed", name: "CPU of a core a call, not recorded", unit: "%"},
			{key: "recorded", name: "CPU of a core a call, recorded", unit: "%"},
			{key: "short", name: "the shortest recording lacks", unit: "s", limit: atMost(0.5)},
		},
	}
}

func measureRecording(l *lab, s subject) (values, error) {
	own, err := freeAddress()
	if err != nil {
		return nil, err
	}
	server, err := s.start(l, setting{callee: own, calls: recordedCalls})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	calls, hangUp, err := stand(server, own, recordedCalls, load.PCMU)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	relayed, err := l.cost(server, calls)
	if err != nil {
		return nil, err
	}
	files, err := l.record(server)
	if err != nil {
		return nil, err
	}
	recorded, err := l.cost(server, calls)
	if err != nil {
		return nil, err
	}
	shortest, err := shortest(files)
	return values{
		"relayed": relayed, "recorded": recorded,
		"short": max(0, (l.media/2).Seconds()-shortest),
	}, err
}

// cost streams through calls and gives what share of a core each takes, in percent.
func (l *lab) cost(server *running, calls []load.Call) (float64, error) {
	before, err := server.CPU()
	if err != nil {
		return 0, err
	}
	stream, err := load.Stream(context.Background(), calls, l.media/2)
	if err != nil {
		return 0, err
	}
	after, err := server.CPU()
	if err == nil && stream.Received == 0 {
		err = fmt.Errorf("of %d packets none arrived; it said last:\n%s", stream.Sent, server.Tail())
	}
	return 100 * float64(after-before) / float64(l.media/2) / float64(len(calls)), err
}

// record lets all calls of a server be recorded and gives the files.
func (l *lab) record(server *running) (files []string, err error) {
	listed, err := exec.Command(l.binary, "calls", "--json", "--config", server.config).Output()
	if err != nil {
		return nil, fmt.Errorf("tincan calls: %w", err)
	}
	var calls []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(listed, &calls); err != nil {
		return nil, fmt.Errorf("tincan calls: %w", err)
	}
	folder, err := os.MkdirTemp(l.folder, "recordings-")
	if err != nil {
		return nil, err
	}
	for _, c := range calls {
		file := filepath.Join(folder, c.ID+".wav")
		if output, err := exec.Command(l.binary, "record", c.ID, file, "--config", server.config).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("tincan record %s: %w\n%s", c.ID, err, output)
		}
		files = append(files, file)
	}
	return files, nil
}

// shortest is the length of the shortest file in seconds.
func shortest(files []string) (seconds float64, err error) {
	for i, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return 0, err
		}
		if n := float64(info.Size()) / wavSecond; i == 0 || n < seconds {
			seconds = n
		}
	}
	return seconds, nil
}
