package media

import (
	"math"
	"slices"
	"time"
)

// tick makes 20 ms of the mix (paced).
func (m *Mixer) tick(due time.Duration) {
	m.mu.Lock()
	m.due = due
	m.ticks++
	m.engine.pacer.crew.do(&m.jobs[0], (*listening)(m), len(m.seats), mixGrain)
	m.add()
	m.limit()
	m.tap()
	m.share()
	m.engine.pacer.crew.do(&m.jobs[1], (*sharing)(m), len(m.groups), 1)
	m.engine.pacer.crew.do(&m.jobs[2], (*speaking)(m), len(m.seats), mixGrain)
	changes, ended := m.changes, m.ended
	m.changes, m.ended = nil, nil
	m.mu.Unlock()
	m.tell(changes, ended)
}

// tell says what happened in a tick.
func (m *Mixer) tell(changes []change, ended []func()) {
	for _, c := range changes {
		m.config.Speaking(c.seat, c.on)
	}
	for _, f := range ended {
		f()
	}
}

// listening, sharing and speaking are the parts of a tick that are spread over
// cores.
type (
	listening Mixer
	sharing   Mixer
	speaking  Mixer
)

func (m *listening) part(i int) { m.seats[i].listen((*Mixer)(m)) }

func (m *sharing) part(i int) { m.groups[i].say((*Mixer)(m)) }

func (m *speaking) part(i int) { m.seats[i].speak((*Mixer)(m)) }

// add sums up who says something in this tick.
func (m *Mixer) add() {
	clear(m.sum)
	for _, s := range m.seats {
		if s.says {
			for i, v := range s.now {
				m.sum[i] += int32(v)
			}
		}
		if s.turned && m.config.Speaking != nil {
			m.changes = append(m.changes, change{s, s.level.speaking})
		}
	}
	m.playing = slices.DeleteFunc(m.playing, func(p *Playing) bool {
		if !p.pull(m.rate) {
			m.after(p.source.Done)
			return true
		}
		for i, v := range p.now {
			m.sum[i] += int32(v)
		}
		return false
	})
}

// after calls f when the tick is over.
func (m *Mixer) after(f func()) {
	if f == nil {
		return
	}
	m.endMu.Lock()
	defer m.endMu.Unlock()
	m.ended = append(m.ended, f)
}

// limit turns the sum down within the tick in which it would be clipped, and
// slowly up again.
func (m *Mixer) limit() {
	peak := int32(0)
	for _, v := range m.sum {
		peak = max(peak, v, -v)
	}
	before := m.loudness
	m.loudness = min(1, m.loudness*mixRelease)
	if float64(peak)*m.loudness > mixLoudest {
		m.loudness = mixLoudest / float64(peak)
	}
	if m.loudness == 1 && before == 1 {
		return
	}
	step := (m.loudness - before) / float64(len(m.sum))
	for i := range m.sum {
		m.sum[i] = int32(float64(m.sum[i]) * (before + step*float64(i)))
	}
	for _, s := range m.seats {
		if s.says {
			ramp(s.now, before, m.loudness)
		}
	}
}

// ramp makes sound louder or fainter, from one factor to another, of at most
// 100 (40 dB).
func ramp(pcm []int16, from, to float64) {
	const one = 1 << 32
	factor, step := int64(from*one), int64((to-from)*one)/int64(len(pcm))
	for i, v := range pcm {
		pcm[i] = clip(int32((int64(v)*factor + one/2) >> 32))
		factor += step
	}
}

func clip(v int32) int16 { return int16(min(max(v, math.MinInt16), math.MaxInt16)) }
