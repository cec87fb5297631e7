//go:build race

package sip_test

import "time"

// The race detector makes the soak five times slower: a working day must do.
const (
	soakDay     = 8 * time.Hour
	soakRestart = 4
	leastDeeds  = 10
)
