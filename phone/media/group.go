package media

import (
	"math"
	"slices"
	"time"

	"tincan/phone/codec"
)

// mixPtime is the least length in ms of packets of a mix: one tick.
const mixPtime = 20

// group is those seats that hear the same in the same format: it is encoded
// once. The mixer's lock guards it.
type group struct {
	format codec.Format // its payload type is that of one of them
	ptime  int
	still  bool   // silence is described to them
	volume uint64 // as Seat.volume
	deaf   bool

	voice *speech
	mixed []int16
	// In this tick.
	hearers bool
	said    utterance
	has     bool
}

// groupFor finds or makes the group of a format.
func (m *Mixer) groupFor(f codec.Format, still bool, ptime int) (*group, error) {
	return m.groupLike(group{format: f, still: still, ptime: max(ptime, mixPtime), volume: math.Float64bits(1)})
}

func (m *Mixer) groupLike(like group) (*group, error) {
	for _, g := range m.groups {
		if g.format.Same(like.format) && g.format.Fmtp == like.format.Fmtp &&
			g.ptime == like.ptime && g.still == like.still && g.volume == like.volume && g.deaf == like.deaf {
			return g, nil
		}
	}
	voice, err := newSpeech(like.format, like.ptime, m.rate)
	if err != nil {
		return nil, err
	}
	if like.still {
		voice.still = newStill(voice.encoder.Rate(), like.format.Clock)
	}
	like.voice = voice
	m.align(voice)
	g := &like
	m.groups = append(m.groups, g)
	return g, nil
}

// align puts a speech into step with all others of the mix: packets of one
// length end in the same tick, and times are those of the mix, so that a seat
// may go from one speech to another without a jump.
func (m *Mixer) align(s *speech) {
	past := time.Duration(m.ticks) * tickEvery
	length := time.Duration(cap(s.frame)) * time.Second / time.Duration(s.encoder.Rate())
	into := past % length
	s.frame = s.frame[:samplesIn(into, s.encoder.Rate())]
	clear(s.frame)
	s.time = ticks(past-into, s.format.Clock)
}

// wanted tells whether a group is some seat's.
func (m *Mixer) wanted(g *group) bool {
	return slices.ContainsFunc(m.seats, func(s *Seat) bool { return s.group == g })
}

// share finds for each seat whether it hears what others hear as well.
func (m *Mixer) share() {
	for _, g := range m.groups {
		g.hearers = false
	}
	regroup := false
	for _, s := range m.seats {
		if s.mouth != nil && !s.lonely {
			regroup = s.regroup() || regroup
			s.choose(m)
		}
	}
	if regroup {
		m.groups = slices.DeleteFunc(m.groups, func(g *group) bool { return !m.wanted(g) })
	}
}

// regroup follows a change of what the seat hears.
func (s *Seat) regroup() bool {
	g := s.group
	if g.volume == s.volume.Load() && g.deaf == s.deafened.Load() {
		return false
	}
	like := group{format: g.format, still: g.still, ptime: g.ptime, volume: s.volume.Load(), deaf: s.deafened.Load()}
	next, err := s.mixer.groupLike(like)
	if err != nil {
		return false // has been encoded before: cannot be
	}
	s.group = next
	return true
}

// choose gives the seat a speech of its own while it hears what nobody else
// does.
func (s *Seat) choose(m *Mixer) {
	apart := s.quiet < int(shareAfter/tickEvery) || s.whisper != nil || s.mouth.pressing()
	switch g := s.group; {
	case apart && s.mouth.voice == nil:
		if own, err := g.voice.clone(); err == nil {
			s.mouth.voice = own
			return
		}
		g.hearers = true
	case apart:
	case s.mouth.voice != nil && !g.hearers && !m.shared(g):
		g.voice, s.mouth.voice, g.hearers = s.mouth.voice, nil, true
	default:
		s.mouth.voice, g.hearers = nil, true
	}
}

// shared tells whether anybody hears what the group says.
func (m *Mixer) shared(g *group) bool {
	return slices.ContainsFunc(m.seats, func(s *Seat) bool {
		return s.group == g && s.mouth != nil && s.mouth.voice == nil
	})
}

// say encodes what the group hears.
func (g *group) say(m *Mixer) {
	g.has = false
	if !g.hearers {
		return
	}
	g.mixed = g.mixed[:0]
	factor := math.Float64frombits(g.volume)
	if g.deaf {
		factor = 0
	}
	for _, v := range m.sum {
		g.mixed = append(g.mixed, clip(v))
	}
	if factor != 1 {
		ramp(g.mixed, factor, factor)
	}
	g.voice.advise(func() float64 { return m.worst(g) })
	g.voice.say(g.mixed, m.due, g)
}

// hear keeps the packet for all (hearer).
func (g *group) hear(u utterance) { g.said, g.has = u, true }
