//go:build !race

package dtmf_test

import "time"

// talkOff is how much speech is listened to.
const talkOff = time.Hour
