package media

import (
	"math"
	"slices"
	"sync"
	"time"

	"tincan/phone/codec"
)

// Bounds of a mix.
const (
	mixMost    = 48000             // samples a second
	shareAfter = 2 * time.Second   // of silence, until a seat hears what other silent ones hear
	awaitFor   = 3                 // ticks that a bridge's mixer waits for the first word
	mixGrain   = 16                // seats that are left to one core
	mixLoudest = math.MaxInt16 - 2 // a louder sum is turned down
	mixRelease = 1.02              // how much it is turned up again, each tick
)

// MixerConfig says how a mixer works.
type MixerConfig struct {
	// Rate is 8000, 16000, 24000, 32000 or 48000 samples a second; 0: what the
	// best of the seats has, and more when a better one comes.
	Rate int
	// Leveled brings all seats to about the same loudness, and shuts out the
	// noise of rooms in which nobody speaks.
	Leveled bool
	// Speaking tells when someone begins to speak and when they have ended. It
	// is called from media goroutines with no lock held and must not block; it
	// may be nil.
	Speaking func(s *Seat, on bool)
}

// Mixer lets any number of parties hear each other: every 20 ms each gets the
// sum of all less its own. Its methods may be called by any goroutine, but not
// from a Deliver, a Source or a Tap that the mixer calls. It ticks while it
// has seats.
//
//	seat: ear -> level, gate -> own --+--> sum --> limiter --+
//	seat: ear -> level, gate -> own --+                      |
//	Play: source ---------------------+     +----------------+
//	                                        |
//	      who speaks: sum less own -> speech of their own -> packet
//	      who listens: sum -> one speech a format -> the same packet to all
//	      Tap: sum, or both sides
//
// One who begins to speak gets a copy of the shared speech, encoder and all,
// so that the phone's decoder notices nothing; one who has been silent for 2 s
// goes back to the shared.
type Mixer struct {
	engine *Engine
	config MixerConfig

	mu       sync.Mutex // guards what follows; held while a tick delivers
	rate     int
	seats    []*Seat
	playing  []*Playing
	taps     []*Tapping
	groups   []*group
	sum      []int32
	ticks    uint32
	due      time.Duration
	loudness float64 // of the limiter, 1: leaves all as it is
	jobs     [3]job
	changes  []change
	sides    [2][]int32 // for taps

	endMu sync.Mutex // guards ended, which seats add to side by side
	ended []func()
}

// change is someone beginning or ending to speak.
type change struct {
	seat *Seat
	on   bool
}

// NewMixer makes a mixer.
func NewMixer(e *Engine, c MixerConfig) *Mixer {
	m := &Mixer{engine: e, config: c, loudness: 1}
	m.setRate(max(c.Rate, slowest))
	return m
}

// setRate makes room for ticks at a rate.
func (m *Mixer) setRate(rate int) {
	m.rate = rate
	m.sum = make([]int32, samplesIn(tickEvery, rate))
}

// Seats gives who is in the mix.
func (m *Mixer) Seats() []*Seat {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seats)
}

// Add takes a flow in and routes it to a seat. The error says what cannot be
// decoded or encoded. Close the seat to let it go.
func (m *Mixer) Add(f Flow, o SeatOptions) (*Seat, error) {
	s := m.Seat(o)
	terms := f.Terms()
	if err := s.settle(terms); err != nil {
		s.Close()
		return nil, err
	}
	s.flow = f
	s.Route(f)
	f.Route(planMix(terms, Terms{}, nil, s))
	return s, nil
}

// sit takes a seat in.
func (m *Mixer) sit(s *Seat) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seats = append(m.seats, s)
	m.engine.pacer.add(m)
}

// leave lets a seat go.
func (m *Mixer) leave(s *Seat) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seats = slices.DeleteFunc(m.seats, func(o *Seat) bool { return o == s })
	m.groups = slices.DeleteFunc(m.groups, func(g *group) bool { return !m.wanted(g) })
	if len(m.seats) == 0 {
		m.engine.pacer.remove(m)
	}
}

// place takes in a seat of a bridge, or changes what it hears and speaks with.
func (m *Mixer) place(s *Seat, e *ear, mouth *mouth) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.lonely, s.mouth = true, mouth
	s.ear.Store(e)
	if !slices.Contains(m.seats, s) {
		s.born = m.ticks
		m.seats = append(m.seats, s)
	}
	m.engine.pacer.add(m)
}

// Close ends the mix: all seats are empty, and what is being played is told
// that it has ended. Flows that were added stay routed to their seats.
func (m *Mixer) Close() {
	for _, f := range m.close() {
		f()
	}
}

// close gives what is to be told, once no lock is held.
func (m *Mixer) close() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.seats {
		if s.whisper != nil {
			m.after(s.whisper.source.Done)
		}
	}
	for _, p := range m.playing {
		m.after(p.source.Done)
	}
	m.seats, m.groups, m.playing, m.taps = nil, nil, nil, nil
	m.engine.pacer.remove(m)
	ended := m.ended
	m.ended = nil
	return ended
}

// raise sets the rate to what a new seat has, if that is left to the seats.
func (m *Mixer) raise(rate int) {
	if rate = min(rate, mixMost); m.config.Rate == 0 && rate > m.rate {
		m.retune(rate)
	}
}

// tune sets the rate.
func (m *Mixer) tune(rate int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retune(rate)
}

func (m *Mixer) retune(rate int) {
	if rate == m.rate {
		return
	}
	m.setRate(rate)
	for _, s := range m.seats {
		s.retune(rate)
	}
	for _, g := range m.groups {
		g.voice.retune(rate)
	}
	for _, p := range m.playing {
		p.retune(rate)
	}
	for _, t := range m.taps {
		t.retune(rate)
	}
}

// mixRate gives the rate at which two parties are mixed: what the lesser of
// them has, since the other hears no more of it, and what it says is heard no
// better.
func mixRate(terms [2]Terms) int {
	rate := mixMost
	for _, t := range terms {
		rate = min(rate, soundRate(t))
	}
	return rate
}

// soundRate is the rate of a party's preferred sound.
func soundRate(t Terms) int {
	for _, formats := range [][]codec.Format{t.Sends, t.Accepts} {
		if f, ok := firstSound(formats); ok {
			if d, err := codec.NewDecoder(f); err == nil {
				return max(d.Rate(), slowest)
			}
		}
	}
	return mixMost
}
