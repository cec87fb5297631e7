//go:build race

package dtmf_test

import "time"

// talkOff is how much speech is listened to: the race detector makes that eight
// times as slow, and one goroutine races with none.
const talkOff = 5 * time.Minute
