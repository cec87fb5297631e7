//go:build race

package sip_test

import "time"

// The race detector makes the soak five times slower, and crashes now and then in a
// bubble that fires hundreds of thousands of timers (golang/go issue 78156 has one
// like it): a working day must do.
const (
	soakDay     = 8 * time.Hour
	soakRestart = 4
	leastDeeds  = 10
)
