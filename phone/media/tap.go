package media

import (
	"fmt"
	"slices"

	"tincan/phone/media/resample"
)

// Tap is someone who hears a mix and is not in it: a recorder.
type Tap struct {
	// Rate is 8000, 16000, 24000, 32000 or 48000 samples a second; 0: the
	// mixer's, which does not change while there is such a tap.
	Rate int
	// Stereo gives what the seats of side 0 say on the left and the others on
	// the right, samples in turn; announcements on both. Else: the mix of all.
	Stereo bool
	// Take gets 20 ms and must keep nothing of pcm. It is called from media
	// goroutines, must not block, and must not call the mixer.
	Take func(pcm []int16)
}

// Tapping is a tap at work.
type Tapping struct {
	tap        Tap
	resamplers [2]*resample.Resampler
	mixed      []int16
	sides      [2][]int16
	pcm        []int16
	mixer      *Mixer
	closed     func() // may be nil
}

// Tap lets someone hear all that is said. The error says that its rate does
// not fit.
func (m *Mixer) Tap(t Tap) (*Tapping, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.Rate == 0 {
		t.Rate = m.rate
	}
	p := &Tapping{tap: t, mixer: m}
	for i := range p.resamplers {
		r, err := resample.New(m.rate, t.Rate)
		if err != nil {
			return nil, fmt.Errorf("media: tap at %d Hz: %w", t.Rate, err)
		}
		p.resamplers[i] = r
	}
	m.taps = append(m.taps, p)
	return p, nil
}

// Rate is the number of samples a second of a side.
func (p *Tapping) Rate() int { return p.tap.Rate }

// Close ends it; no Take comes after it.
func (p *Tapping) Close() {
	p.leave()
	if p.closed != nil {
		p.closed()
	}
}

func (p *Tapping) leave() {
	p.mixer.mu.Lock()
	defer p.mixer.mu.Unlock()
	p.mixer.taps = slices.DeleteFunc(p.mixer.taps, func(o *Tapping) bool { return o == p })
}

func (p *Tapping) retune(rate int) {
	for i := range p.resamplers {
		if r, err := resample.New(rate, p.tap.Rate); err == nil {
			p.resamplers[i] = r
		}
	}
}

// tap gives the taps this tick.
func (m *Mixer) tap() {
	for _, t := range m.taps {
		if t.tap.Stereo {
			t.both(m)
		} else {
			t.side(0, func(i int) int32 { return m.sum[i] })
			t.tap.Take(t.sides[0])
		}
	}
}

// side makes one side of the tick.
func (p *Tapping) side(side int, sample func(i int) int32) {
	p.mixed = p.mixed[:0]
	for i := range p.mixer.sum {
		p.mixed = append(p.mixed, clip(sample(i)))
	}
	p.sides[side] = p.resamplers[side].Append(p.sides[side][:0], p.mixed)
}

// both makes the sides and gives them. What is of no side is on both.
func (p *Tapping) both(m *Mixer) {
	left, right := m.of(0), m.of(1)
	p.side(0, func(i int) int32 { return m.sum[i] - right[i] })
	p.side(1, func(i int) int32 { return m.sum[i] - left[i] })
	p.pcm = p.pcm[:0]
	for i, l := range p.sides[0] {
		p.pcm = append(p.pcm, l, p.sides[1][i])
	}
	p.tap.Take(p.pcm)
}

// of sums up what the seats of a side say.
func (m *Mixer) of(side int) []int32 {
	m.sides[side] = append(m.sides[side][:0], make([]int32, len(m.sum))...)
	for _, s := range m.seats {
		if s.says && min(s.side, 1) == side {
			for i, v := range s.now {
				m.sides[side][i] += int32(v)
			}
		}
	}
	return m.sides[side]
}
