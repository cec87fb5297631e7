package main

import (
	"fmt"
	"strconv"
	"time"

	"tincan/bench/load"
)

const (
	phonesCount = 1000 // from one address more connections are not taken
	// phonesSettle is until the transactions of the registrations are forgotten
	// (64*T1) and their memory is collected.
	phonesSettle = 45 * time.Second
)

// phonesExperiment: what a phone costs that is registered and does nothing.
func phonesExperiment() experiment {
	return experiment{
		key:      "phones",
		about:    fmt.Sprintf("%d phones registered, idle for %v; first over UDP, then over TLS", phonesCount, phonesSettle),
		subjects: []subject{tincan},
		measure:  measurePhones,
		figures: []figure{
			{key: "udp", name: "memory a phone, UDP", unit: "kB"},
			{key: "tls", name: "memory a phone, TLS", unit: "kB"},
		},
	}
}

func measurePhones(l *lab, s subject) (values, error) {
	var accounts []string
	for i := range phonesCount {
		accounts = append(accounts, strconv.Itoa(20000+i))
	}
	found := values{}
	for _, network := range []string{"udp", "tls"} {
		grown, err := phonesMemory(l, s, network, accounts)
		if err != nil {
			return nil, fmt.Errorf("over %s: %w", network, err)
		}
		found[network] = grown / 1e3 / phonesCount
	}
	return found, nil
}

// phonesMemory gives the bytes by which the server grew.
func phonesMemory(l *lab, s subject, network string, accounts []string) (float64, error) {
	server, err := s.start(l, setting{extensions: accounts, tls: network == "tls"})
	if err != nil {
		return 0, err
	}
	defer server.Stop()
	empty, err := server.RSS()
	if err != nil {
		return 0, err
	}
	to := server.address
	if network == "tls" {
		to = server.secure
	}
	crowd, err := load.Register(network, to, secret, accounts)
	if err != nil {
		return 0, err
	}
	defer func() { _ = crowd.Close() }()
	<-time.After(phonesSettle)
	full, err := server.RSS()
	return float64(full) - float64(empty), err
}
