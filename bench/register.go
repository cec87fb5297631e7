package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	registerCount    = 2000
	registerRate     = 200 // a second
	registerPatience = time.Minute

	// secret is every account's.
	secret = "bench-s3cret"
)

// registerExperiment: each registration is two requests, the second with digest.
func registerExperiment() experiment {
	return experiment{
		key:      "register",
		about:    fmt.Sprintf("%d registrations with digest at %d a second", registerCount, registerRate),
		subjects: []subject{tincan, kamailio, asterisk},
		measure:  measureRegistrations,
		figures: []figure{
			{key: "cpu", name: "CPU a registration", unit: "us", limit: scaled(400, kamailio.name, 156)},
		},
	}
}

func measureRegistrations(l *lab, s subject) (values, error) {
	numbers := make([]string, registerCount)
	for i := range numbers {
		numbers[i] = strconv.Itoa(20000 + i)
	}
	accounts, err := l.accounts(numbers)
	if err != nil {
		return nil, err
	}
	server, err := s.start(l, setting{extensions: numbers})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	before, err := server.CPU()
	if err != nil {
		return nil, err
	}
	own, err := freeAddress()
	if err != nil {
		return nil, err
	}
	phones, err := l.sipp("register.xml", own, registerCount, "-r", strconv.Itoa(registerRate), "-inf", accounts, server.address)
	if err != nil {
		return nil, err
	}
	defer phones.Stop()
	if err := phones.Wait(registerPatience); err != nil {
		return nil, err
	}
	after, err := server.CPU()
	return values{"cpu": microseconds(after-before) / registerCount}, err
}

// accounts writes the file that SIPp takes numbers and secrets from.
func (l *lab) accounts(numbers []string) (string, error) {
	file, err := os.CreateTemp(l.folder, "accounts-*.csv")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("SEQUENTIAL\n")
	for _, number := range numbers {
		fmt.Fprintf(&b, "%s;[authentication username=%s password=%s]\n", number, number, secret)
	}
	if _, err := file.WriteString(b.String()); err != nil {
		_ = file.Close()
		return "", err
	}
	return file.Name(), file.Close()
}
