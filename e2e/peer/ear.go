package peer

import (
	"testing"
	"time"

	"tincan/e2e/tone"
)

const (
	// heardFor is how long a tone must be heard without a break: ten packets or
	// more, so that no stray one passes for a call.
	heardFor = 400 * time.Millisecond

	// quietFor is how long Silent and HearsNot listen.
	quietFor = time.Second

	// settle is what may still be under way when listening for an absence
	// begins: packets in sockets and jitter buffers.
	settle = 300 * time.Millisecond

	// earPoll is how often growing recordings are looked at again.
	earPoll = 50 * time.Millisecond
)

// Ear listens to what a phone records while it records.
type Ear struct {
	name  string
	files func() []string // the recordings so far, WAV files that may be growing
	read  func(path string) (tone.Sound, error)
}

// recorded is the length of each recording at one moment.
type recorded map[string]time.Duration

func (e Ear) now() recorded {
	lengths := recorded{}
	for path, s := range e.sounds() {
		lengths[path] = s.Duration()
	}
	return lengths
}

// sounds reads the recordings; one that has no samples yet is left out.
func (e Ear) sounds() map[string]tone.Sound {
	sounds := map[string]tone.Sound{}
	for _, path := range e.files() {
		if s, err := e.read(path); err == nil {
			sounds[path] = s
		}
	}
	return sounds
}

// longest is the longest stretch of hz that was recorded after a moment.
func (e Ear) longest(since recorded, hz float64) time.Duration {
	var longest time.Duration
	for path, s := range e.sounds() {
		longest = max(longest, s.After(since[path]).Longest(hz))
	}
	return longest
}

// Hears waits until the phone hears hz, from now on, without a break and above
// all else.
func (e Ear) Hears(t testing.TB, hz float64) {
	t.Helper()
	e.HearsBy(t, hz, time.Now().Add(Patience))
}

// HearsBy is Hears with a moment by which hz must have been heard.
func (e Ear) HearsBy(t testing.TB, hz float64, by time.Time) {
	t.Helper()
	since := e.now()
	deadline := time.NewTimer(time.Until(by))
	defer deadline.Stop()
	ticker := time.NewTicker(earPoll)
	defer ticker.Stop()
	for e.longest(since, hz) < heardFor {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%s did not hear %v Hz for %v in time; it recorded since: %v",
				e.name, hz, heardFor, e.since(since))
		}
	}
}

// HearsChord waits until the phone hears several tones at once, without a break.
func (e Ear) HearsChord(t testing.TB, tones ...float64) {
	t.Helper()
	since := e.now()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(earPoll)
	defer ticker.Stop()
	for {
		for path, s := range e.sounds() {
			if s.After(since[path]).Chord(tones...) >= heardFor {
				return
			}
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%s did not hear %v Hz together for %v in time; it recorded since: %v", e.name, tones, heardFor, e.since(since))
		}
	}
}

// Loses waits until a tone that may be heard has not been heard for a while, though
// packets come.
func (e Ear) Loses(t testing.TB, hz float64) {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	for {
		since := e.now()
		select {
		case <-time.After(quietFor):
		case <-deadline.C:
			t.Fatalf("%s still hears %v Hz; it recorded since: %v", e.name, hz, e.since(since))
		}
		heard, grown := time.Duration(0), time.Duration(0)
		for path, s := range e.sounds() {
			heard += s.After(since[path]).Total(hz)
			grown += s.After(since[path]).Duration()
		}
		if heard == 0 && grown >= quietFor/2 {
			return
		}
	}
}

// keyFor is how long a key's tones are heard at least: 100 ms hold two windows of
// the sound, wherever they begin, but for a part of each.
const keyFor = 40 * time.Millisecond

// HearsKey waits until a key is, or was, heard as its two tones.
func (e Ear) HearsKey(t testing.TB, key rune) {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(earPoll)
	defer ticker.Stop()
	for e.KeyHeard(t, key) < keyFor {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%s did not hear key %c in time; it recorded %v", e.name, key, e.now())
		}
	}
}

// KeyHeard is the longest time for which it has heard a key's two tones.
func (e Ear) KeyHeard(t testing.TB, key rune) (longest time.Duration) {
	t.Helper()
	row, column, ok := tone.Key(key)
	if !ok {
		t.Fatalf("%c is no key", key)
	}
	for _, s := range e.sounds() {
		longest = max(longest, s.Chord(row, column))
	}
	return longest
}

// HearsNoPart listens for a while and fails when one of the tones is a good part
// of what it hears.
func (e Ear) HearsNoPart(t testing.TB, tones ...float64) {
	t.Helper()
	e.misses(t, tones, "as a part", func(s tone.Sound, hz float64) time.Duration { return s.Chord(hz) })
}

// HearsNot listens for a while and fails when it hears any of the tones.
func (e Ear) HearsNot(t testing.TB, tones ...float64) {
	t.Helper()
	e.misses(t, tones, "alone", tone.Sound.Total)
}

// misses fails when it hears any of the tones, measured in a way. Absence can only be
// seen over time, so this is the one place that waits for the clock.
func (e Ear) misses(t testing.TB, tones []float64, way string, measure func(tone.Sound, float64) time.Duration) {
	t.Helper()
	<-time.After(settle)
	since := e.now()
	<-time.After(quietFor)
	for _, hz := range tones {
		for path, s := range e.sounds() {
			if got := measure(s.After(since[path]), hz); got > 0 {
				t.Errorf("%s heard %v Hz %s for %v, and should not", e.name, hz, way, got)
			}
		}
	}
}

// since is how much each recording has grown.
func (e Ear) since(before recorded) recorded {
	growth := recorded{}
	for path, length := range e.now() {
		growth[path] = length - before[path]
	}
	return growth
}
