package media

import (
	"math"
	"slices"
	"sync"
	"time"

	"tincan/phone/codec"
)

// Mixer lets any number of flows hear each other: every 20 ms each gets the
// sum of all less its own. Its methods may be called by any goroutine, but not
// from a Deliver that the mixer makes. It ticks while it has members.
type Mixer struct {
	engine *Engine
	rate   int

	mu      sync.Mutex // guards what follows; held while a tick delivers
	members []*member
	sum     []int32
	out     []int16
}

// member is one flow in a mixer, and the sink for what it sends.
type member struct {
	flow  Flow
	mouth *mouth  // nil: never listens; the mixer's lock guards it
	now   []int16 // what it says in this tick; likewise

	mu    sync.Mutex // guards what follows
	ear   *ear       // nil: never speaks
	queue jitter
}

// NewMixer makes a mixer at 8000, 16000 or 48000 samples a second.
func NewMixer(e *Engine, rate int) *Mixer {
	n := samplesIn(tickEvery, rate)
	return &Mixer{engine: e, rate: rate, sum: make([]int32, n), out: make([]int16, n)}
}

// Add takes a flow in and routes it here. The error says what cannot be
// decoded or encoded.
func (m *Mixer) Add(f Flow) error {
	terms := f.Terms()
	seat, err := m.seat(f, terms)
	if err != nil {
		return err
	}
	f.Route(planMix(terms, Terms{}, nil, seat))
	return nil
}

// Remove lets a flow go, unrouted.
func (m *Mixer) Remove(f Flow) {
	f.Route(nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members = slices.DeleteFunc(m.members, func(s *member) bool { return s.flow == f })
	if len(m.members) == 0 {
		m.engine.pacer.remove(m)
	}
}

// empty lets all go without touching their routes.
func (m *Mixer) empty() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members = nil
	m.engine.pacer.remove(m)
}

func (m *Mixer) seat(f Flow, terms Terms) (*member, error) {
	s := &member{flow: f, now: make([]int16, len(m.out)), queue: newQueue(m.rate)}
	var err error
	if _, speaks := firstSound(terms.Sends); speaks {
		if s.ear, err = newEar(terms.Sends, m.rate); err != nil {
			return nil, err
		}
	}
	if _, listens := firstSound(terms.Accepts); listens {
		if s.mouth, err = newMouth(f, terms, m.rate); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members = append(m.members, s)
	m.engine.pacer.add(m)
	return s, nil
}

// Deliver takes what the member's party says.
func (s *member) Deliver(p *Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ear == nil {
		return
	}
	if pcm, gap, ok := s.ear.hear(p); ok {
		s.queue.put(pcm, gap)
	}
}

func (s *member) take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.take(s.now)
}

func (m *Mixer) tick(due time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.sum)
	for _, s := range m.members {
		s.take()
		for i, v := range s.now {
			m.sum[i] += int32(v)
		}
	}
	for _, s := range m.members {
		if s.mouth == nil {
			continue
		}
		for i, v := range s.now {
			m.out[i] = int16(min(max(m.sum[i]-int32(v), math.MinInt16), math.MaxInt16))
		}
		s.mouth.say(m.out, due)
	}
}

// mixRate gives the rate that loses nothing of what the flows send.
func mixRate(terms ...Terms) int {
	rate := 8000
	for _, t := range terms {
		for _, f := range t.Sends {
			if d, err := codec.NewDecoder(f); err == nil && f.Sound() {
				rate = max(rate, d.Rate())
			}
		}
	}
	return rate
}
