package media

import (
	"math"
	"sync"
	"sync/atomic"

	"tincan/phone/codec"
)

// SeatOptions say how a seat begins.
type SeatOptions struct {
	Muted    bool    // says nothing
	Deafened bool    // hears nothing
	Gain     float64 // dB by which it is heard louder
	Volume   float64 // dB by which it hears louder
	Side     int     // of a Tap in stereo: 0 left, 1 right
}

// Seat is one party's place in a mixer. It is a flow, for Join with the flow
// of the party: it takes the party's terms for its own, so packets go straight
// in and out and are decoded and encoded once. Its methods may be called by
// any goroutine.
type Seat struct {
	mixer    *Mixer
	side     int
	lonely   bool // of a bridge of two: never shares, and what it says is not missed
	muted    atomic.Bool
	deafened atomic.Bool
	gain     atomic.Uint64 // factor, as the bits of a float64
	volume   atomic.Uint64
	ear      atomic.Pointer[ear]  // nil: has nothing to say
	carrier  atomic.Pointer[path] // of a bridge: what carries the other's sound here

	mu    sync.Mutex // guards what follows
	terms Terms
	flow  Flow // of Add

	// The tick's; the mixer's lock guards them.
	to      Sink
	mouth   *mouth // nil: hears nothing
	group   *group
	now     []int16 // what it says in this tick
	says    bool
	begun   bool // has ever said something
	turned  bool // began or ended to speak
	quiet   int  // ticks since it said something
	born    uint32
	level   level
	whisper *Playing
	gained  float64 // gain of the last tick
}

// Seat makes a place. It is in the mix from now on, until Close.
func (m *Mixer) Seat(o SeatOptions) *Seat {
	s := m.newSeat(o)
	s.terms = linearTerms(8000)
	m.sit(s)
	return s
}

func (m *Mixer) newSeat(o SeatOptions) *Seat {
	s := &Seat{mixer: m, side: o.Side, gained: 1, quiet: math.MaxInt32}
	s.muted.Store(o.Muted)
	s.deafened.Store(o.Deafened)
	s.Gain(o.Gain)
	s.Volume(o.Volume)
	return s
}

// linearTerms are what a seat has while it has no party.
func linearTerms(rate int) Terms {
	f := []codec.Format{{Name: "l16", Clock: uint32(rate), Channels: 1}}
	return Terms{Kind: Audio, Sends: f, Accepts: f}
}

// Mute keeps the party from being heard.
func (s *Seat) Mute(on bool) { s.muted.Store(on) }

// Muted tells whether the party is kept from being heard.
func (s *Seat) Muted() bool { return s.muted.Load() }

// Deafen keeps the party from hearing.
func (s *Seat) Deafen(on bool) { s.deafened.Store(on) }

// Deafened tells whether the party is kept from hearing.
func (s *Seat) Deafened() bool { return s.deafened.Load() }

// Gain sets by how many dB, at most 20, the party is heard louder; less than 0:
// fainter.
func (s *Seat) Gain(dB float64) { s.gain.Store(factorOf(dB)) }

// Volume sets by how many dB, at most 20, the party hears louder.
func (s *Seat) Volume(dB float64) { s.volume.Store(factorOf(dB)) }

func factorOf(dB float64) uint64 { return math.Float64bits(math.Pow(10, min(dB, mostGain)/20)) }

// mostGain in dB bounds what can be asked for: more is noise.
const mostGain = 20

// Say plays something that this party alone hears. It replaces what is still
// being said to it.
func (s *Seat) Say(source Source) (*Playing, error) {
	p, err := newPlaying(s.mixer, source)
	if err != nil {
		return nil, err
	}
	s.mixer.mu.Lock()
	defer s.mixer.mu.Unlock()
	s.whisper = p
	return p, nil
}

// Hearing tells what the seat met in what its party sends.
func (s *Seat) Hearing() Hearing {
	if e := s.ear.Load(); e != nil {
		return e.heard()
	}
	return Hearing{}
}

// Close leaves the mix. A flow that was added is unrouted.
func (s *Seat) Close() {
	s.mu.Lock()
	flow := s.flow
	s.flow = nil
	s.mu.Unlock()
	if flow != nil {
		flow.Route(nil)
	}
	s.mixer.leave(s)
}

// Engine gives the engine of the mixer.
func (s *Seat) Engine() *Engine { return s.mixer.engine }

// Terms are those of the party, reduced to what can be decoded and encoded.
func (s *Seat) Terms() Terms {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.terms
}

// Route says who hears the mix.
func (s *Seat) Route(to Sink) {
	s.mixer.mu.Lock()
	defer s.mixer.mu.Unlock()
	s.to = to
	if s.mouth != nil {
		s.mouth.to = to
	}
}

// Deliver takes what the party says.
func (s *Seat) Deliver(p *Packet) {
	if e := s.ear.Load(); e != nil && p.Format != nil && p.Type == Media {
		e.Deliver(p)
	}
}

func (s *Seat) mind(p *Packet) {
	if e := s.ear.Load(); e != nil {
		e.mind(p)
	}
}

// retune goes on at another rate.
func (s *Seat) retune(rate int) {
	if e := s.ear.Load(); e != nil {
		e.retune(rate)
	}
	if s.mouth != nil && s.mouth.voice != nil {
		s.mouth.voice.retune(rate)
	}
	if s.whisper != nil {
		s.whisper.retune(rate)
	}
}
