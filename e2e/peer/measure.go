package peer

import (
	"time"

	"tincan/e2e/tone"
)

// Since is a moment of what a phone records, to measure from.
type Since struct{ at recorded }

// Now marks this moment.
func (e Ear) Now() Since { return Since{e.now()} }

// How much a measure is looked for in: phones that just began to talk fill their
// jitter buffers, and one that shifts time within what is measured is heard longer.
const (
	listenFor  = 1500 * time.Millisecond
	listenMost = 6 * time.Second
	pure       = 0.95 // share of the power that is worth no waiting
)

// Measure tells how hz sounds at its best in what a phone has heard since a moment;
// false when it does not come.
func (e Ear) Measure(since Since, hz float64) (tone.Measure, bool) {
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(earPoll)
	defer ticker.Stop()
	for {
		for path, s := range e.sounds() {
			s = s.After(since.at[path])
			if s.Duration() < listenFor {
				continue
			}
			if m, ok := s.Measure(hz, heardFor); ok && (m.Share >= pure || s.Duration() > listenMost) {
				return m, true
			}
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			return tone.Measure{}, false
		}
	}
}
