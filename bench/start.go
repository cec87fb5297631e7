package main

import (
	"os"
	"time"
)

// startExperiment: how soon the server answers, and what it takes to do nothing.
func startExperiment() experiment {
	return experiment{
		key:      "start",
		about:    "from start to the first answer, keys made already; then idle",
		subjects: []subject{tincan},
		measure:  measureStart,
		figures: []figure{
			{key: "ready", name: "ready to register", unit: "ms", limit: atMost(300)},
			{key: "memory", name: "idle memory", unit: "MB", limit: atMost(40)},
		},
	}
}

// measureStart starts it twice on one data folder: the first start makes keys
// and tables, the second is the one that counts.
func measureStart(l *lab, s subject) (values, error) {
	folder, err := os.MkdirTemp(l.folder, "start-")
	if err != nil {
		return nil, err
	}
	first, err := s.start(l, setting{data: folder})
	if err != nil {
		return nil, err
	}
	first.Stop()
	server, err := s.start(l, setting{data: folder})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	<-time.After(idleFor)
	resident, err := server.RSS()
	return values{"ready": milliseconds(server.ready), "memory": float64(resident) / 1e6}, err
}

// experiments are all there are, in the order of the table.
func experiments() []experiment {
	return []experiment{callExperiment(), relayExperiment(), srtpExperiment(), kernelExperiment(), transcodeExperiment(), conferenceExperiment(), recordExperiment(), registerExperiment(), iax2Experiment(), guessExperiment(), blfExperiment(), phonesExperiment(), browsersExperiment(), startExperiment()}
}
