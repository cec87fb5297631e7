package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"tincan/bench/load"
)

const (
	blfPhones = 25
	blfLamps  = 200 // of each phone; all phones watch the same extensions
	blfCalls  = 60  // each lights a lamp of every phone
)

// blfExperiment: how soon lamps show that a phone rings, and what they cost.
func blfExperiment() experiment {
	return experiment{
		key:      "blf",
		about:    fmt.Sprintf("%d lamps (%d phones of %d); %d calls, one after the other, each rings and is refused", blfPhones*blfLamps, blfPhones, blfLamps, blfCalls),
		subjects: []subject{tincan, asterisk},
		measure:  measureLamps,
		figures: []figure{
			{key: "p50", name: "180 to NOTIFY, p50", unit: "ms", limit: atMost(10)},
			{key: "p99", name: "180 to NOTIFY, p99", unit: "ms", limit: atMost(50)},
			{key: "memory", name: "memory a lamp", unit: "kB", limit: atMost(8)},
			{key: "cpu", name: "CPU a lamp lit and put out", unit: "us"},
		},
	}
}

func measureLamps(l *lab, s subject) (values, error) {
	const caller = "30000"
	var phones, lamps []string
	for i := range blfPhones {
		phones = append(phones, strconv.Itoa(10001+i))
	}
	for i := range blfLamps {
		lamps = append(lamps, strconv.Itoa(20001+i))
	}
	server, err := s.start(l, setting{extensions: slices.Concat(phones, lamps, []string{caller}), watched: lamps})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	wall, err := load.NewWall(server.address, secret, blfPhones)
	if err != nil {
		return nil, err
	}
	defer wall.Close()
	if err := wall.Register(lamps, caller); err != nil {
		return nil, err
	}
	empty, err := server.RSS()
	if err != nil {
		return nil, err
	}
	if err := wall.Subscribe(phones, lamps); err != nil {
		return nil, err
	}
	full, err := server.RSS()
	if err != nil {
		return nil, err
	}
	before, err := server.CPU()
	if err != nil {
		return nil, err
	}
	var all []time.Duration
	for i := range blfCalls {
		took, err := wall.Ring(caller, lamps[i*blfLamps/blfCalls])
		if err != nil {
			return nil, err
		}
		all = append(all, took...)
	}
	after, err := server.CPU()
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	return values{
		"p50": milliseconds(all[len(all)/2]), "p99": milliseconds(all[len(all)*99/100]),
		"memory": (float64(full) - float64(empty)) / 1e3 / (blfPhones * blfLamps),
		"cpu":    microseconds(after-before) / float64(len(all)),
	}, nil
}
