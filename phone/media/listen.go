package media

import (
	"math"
	"slices"
)

// listen hears what the party says in this tick.
func (s *Seat) listen(m *Mixer) {
	if len(s.now) != len(m.sum) {
		s.now = make([]int16, len(m.sum))
	}
	s.says = false
	if e := s.ear.Load(); e != nil {
		s.says = e.take(s.now, m.due)
		m.pressKeys(e)
	}
	if m.config.Speaking != nil || m.config.Leveled {
		s.turned = s.level.hear(s.now, s.says && !s.muted.Load())
	}
	s.begun = s.begun || s.says
	s.says = s.says && s.amplify(m.config.Leveled)
	if s.quiet++; s.says {
		s.quiet = 0
	}
}

// amplify makes what the party says as loud as it should be; false when that
// is silence.
func (s *Seat) amplify(leveled bool) bool {
	factor := math.Float64frombits(s.gain.Load())
	if leveled {
		factor *= s.level.factor()
	}
	if s.muted.Load() {
		factor = 0
	}
	before := s.gained
	s.gained = factor
	if before == 0 && factor == 0 {
		return false
	}
	if before != 1 || factor != 1 {
		ramp(s.now, before, factor)
	}
	return true
}

// speak says to the party what it hears in this tick.
func (s *Seat) speak(m *Mixer) {
	switch {
	case s.mouth == nil || s.awaits(m):
	case s.mouth.voice == nil:
		s.mouth.far.put(s.group.mixed)
		if s.group.has {
			s.mouth.pass(s.group.said)
		}
	default:
		s.mouth.speak(s.mix(m), m.due)
	}
}

// awaits holds a bridge's first words back until there are some, and while
// they still come by the old path.
func (s *Seat) awaits(m *Mixer) bool {
	if !s.lonely {
		return false
	}
	if c := s.carrier.Load(); c != nil {
		if l := c.lessons.Load(); l != nil && m.ticks-s.born < lessonTicks {
			return true
		} else if l != nil {
			l.over.Store(true)
		}
	}
	if m.ticks-s.born >= lessonTicks || len(m.playing) > 0 || s.whisper != nil {
		return false
	}
	return !slices.ContainsFunc(m.seats, func(o *Seat) bool { return o != s && o.begun })
}

// mix turns what the party says in this tick into what it hears.
func (s *Seat) mix(m *Mixer) []int16 {
	factor := math.Float64frombits(s.volume.Load())
	if s.deafened.Load() {
		factor = 0
	}
	if !s.says {
		clear(s.now)
	}
	sum := m.sum[:len(s.now)]
	for i, v := range s.now {
		s.now[i] = clip(sum[i] - int32(v))
	}
	if factor != 1 {
		ramp(s.now, factor, factor)
	}
	s.murmur(m)
	return s.now
}

// murmur adds what the party alone is told.
func (s *Seat) murmur(m *Mixer) {
	if s.whisper == nil {
		return
	}
	if !s.whisper.pull(m.rate) {
		m.after(s.whisper.source.Done)
		s.whisper = nil
		return
	}
	for i, v := range s.whisper.now {
		s.now[i] = clip(int32(s.now[i]) + int32(v))
	}
}
