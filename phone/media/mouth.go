package media

import (
	"fmt"
	"sync"
	"time"

	"tincan/phone/codec"
)

// mouth speaks to one flow. Its methods may be called by any goroutine: while
// the way changes, a packet may still be on the old one.
type mouth struct {
	mu     sync.Mutex // guards what follows
	voice  *speech    // its own; nil while it gives what others say as well
	format codec.Format
	noise  *codec.Format // that silence is described in; nil: it is not
	to     Sink          // nil: nobody
	source *Run
	packet Packet
	keys   []key   // to be said as tones
	far    *farEnd // of the party's ear; nil: needs not know what is said
}

// newMouth makes a mouth for the first sound that is accepted.
func newMouth(to Sink, terms Terms, rate int) (*mouth, error) {
	f, ok := firstSound(terms.Accepts)
	if !ok {
		return nil, fmt.Errorf("%w: the party accepts no sound", ErrCannotBridge)
	}
	s, err := newSpeech(f, terms.Ptime, rate)
	if err != nil {
		return nil, err
	}
	m := &mouth{voice: s, format: f, noise: noiseOf(f, terms.Accepts), to: to, source: new(Run)}
	if m.noise != nil {
		s.still = newStill(s.encoder.Rate(), f.Clock)
	}
	return m, nil
}

// hear delivers a packet of the mouth's own speech (hearer).
func (m *mouth) hear(u utterance) {
	if m.to == nil {
		return
	}
	format := &m.format
	if u.noise {
		format = m.noise
	}
	m.packet = Packet{
		Format: format, Payload: u.payload, Time: u.time,
		Marker: u.marker, Arrival: u.due, Source: m.source, lasts: u.lasts,
	}
	m.to.Deliver(&m.packet)
}

// pass delivers a packet of a speech that others hear as well.
func (m *mouth) pass(u utterance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hear(u)
}

// tell lets the party's ear know what is said to the party.
func (m *mouth) tell(far *farEnd) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.far = far
}

// speak says sound to the flow.
func (m *mouth) speak(pcm []int16, now time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.keys) > 0 {
		m.overlay(pcm)
	}
	m.far.put(pcm)
	m.voice.advise(func() float64 { return lossTo(m.to) })
	m.voice.say(pcm, now, m)
}

// hush lets n samples of time pass.
func (m *mouth) hush(n int, now time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.far.hush(n)
	m.voice.hush(n, now, m)
}

// describe tells the party how the silence sounds that another described (RFC 3389).
func (m *mouth) describe(payload []byte, now time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.voice.describe(payload, now, m)
}

// wants tells whether sound waits that cannot be sent without more.
func (m *mouth) wants() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, framed := m.voice.encoder.(codec.Framed)
	return framed && len(m.voice.frame) > 0
}

// finish sends what waits for a packet to be full, where it can be shorter.
func (m *mouth) finish(now time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.voice.finish(now, m)
}
