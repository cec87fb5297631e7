//go:build !race

package sip_test

import "time"

// The soak's day, after how many hours of it the server is started again, and of
// each kind of deed what makes it worth its while.
const (
	soakDay     = 24 * time.Hour
	soakRestart = 12
	leastDeeds  = 50
)
