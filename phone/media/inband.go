package media

import (
	"time"

	"tincan/phone/media/dtmf"
)

// Tones of keys that are made here, in dBm0 (ITU-T Q.23, ETSI ES 201 235-2).
const (
	keyRow    = -9
	keyColumn = -7
	keyPause  = 60 * time.Millisecond // between two
)

// keyEar finds keys in what a party says. The lock of its ear guards it.
type keyEar struct {
	tell     func(Digit)
	detector *dtmf.Detector
	events   []dtmf.Event
	down     time.Duration
	pressed  bool // now: the tone is kept from the other party
	found    []Digit
}

func newKeyEar(rate int, tell func(Digit)) *keyEar {
	d, err := dtmf.NewDetector(rate)
	if tell == nil || err != nil {
		return nil // at such a rate there are no keys
	}
	return &keyEar{tell: tell, detector: d}
}

// hear looks at sound, and silences what is a key: the other party gets it as
// an event, and must not hear it twice.
func (k *keyEar) hear(pcm []int16) {
	k.events = k.detector.Append(k.events[:0], pcm)
	for _, e := range k.events {
		k.pressed = e.Down
		if e.Down {
			k.down = e.At
		} else {
			k.found = append(k.found, Digit{Rune: e.Key, Duration: e.At - k.down})
		}
	}
	if k.pressed {
		clear(pcm)
	}
}

// keyed takes the keys that were found, to be told with no lock held.
func (e *ear) keyed() (tell func(Digit), found []Digit) {
	if e.keys == nil || len(e.keys.found) == 0 {
		return nil, nil
	}
	found = e.keys.found
	e.keys.found = nil
	return e.keys.tell, found
}

// pressKeys tells of keys with no lock held, at the end of the tick.
func (m *Mixer) pressKeys(e *ear) {
	e.mu.Lock()
	tell, found := e.keyed()
	e.mu.Unlock()
	for _, d := range found {
		m.after(func() { tell(d) })
	}
}

// key is a digit that is being said as a tone.
type key struct {
	tone  *dtmf.Tone
	pause int // samples that are silent after it
}

// presser says keys to a party as tones.
type presser interface{ press(Digit) }

// press says a digit as a tone, after those that wait. The mouth says it in
// place of what the other party says meanwhile.
func (m *mouth) press(d Digit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue(d, m.voice.rate)
}

// press says a digit to the seat's party, which hears something of its own meanwhile.
func (s *Seat) press(d Digit) {
	s.mixer.mu.Lock()
	defer s.mixer.mu.Unlock()
	if m := s.mouth; m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.queue(d, s.mixer.rate)
	}
}

// pressing tells whether a digit is being said, or waits.
func (m *mouth) pressing() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.keys) > 0
}

// queue keeps a digit as a tone at a rate. Called with mu held.
func (m *mouth) queue(d Digit, rate int) {
	length := d.Duration
	if length == 0 {
		length = digitLength
	}
	tone, err := dtmf.NewTone(rate, d.Rune, min(max(length, digitAtLeast), digitAtMost), keyRow, keyColumn)
	if err != nil || len(m.keys) >= maxDigits {
		return
	}
	m.keys = append(m.keys, key{tone, samplesIn(keyPause, rate)})
}

// overlay puts the tones that wait in place of sound.
func (m *mouth) overlay(pcm []int16) {
	for len(m.keys) > 0 && len(pcm) > 0 {
		k := &m.keys[0]
		if n := k.tone.Read(pcm); n > 0 {
			pcm = pcm[n:]
			continue
		}
		n := min(k.pause, len(pcm))
		clear(pcm[:n])
		pcm = pcm[n:]
		if k.pause -= n; k.pause == 0 {
			m.keys = m.keys[1:]
		}
	}
}
