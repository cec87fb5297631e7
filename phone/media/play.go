package media

import (
	"fmt"
	"sync/atomic"

	"tincan/phone/media/resample"
)

// Source is sound to be played into a mix.
type Source struct {
	// Rate is 8000, 16000, 24000, 32000 or 48000 samples a second; 0: 8000.
	Rate int
	// Next fills pcm with 20 ms of sound; false means that it has ended and
	// filled nothing. It is called from media goroutines, must not block, and
	// must not call the mixer.
	Next func(pcm []int16) bool
	// Done is told once, with no lock held, that Next has ended or was stopped;
	// it may be nil.
	Done func()
}

// Playing is a source being played.
type Playing struct {
	source    Source
	resampler *resample.Resampler
	pcm       []int16
	now       []int16 // of this tick, at the mixer's rate
	stopped   atomic.Bool
}

// Stop ends it within a tick.
func (p *Playing) Stop() { p.stopped.Store(true) }

// Play lets all hear a source, over what they say. The error says that its
// rate does not fit.
func (m *Mixer) Play(s Source) (*Playing, error) {
	p, err := newPlaying(m, s)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.playing = append(m.playing, p)
	return p, nil
}

func newPlaying(m *Mixer, s Source) (*Playing, error) {
	if s.Rate == 0 {
		s.Rate = 8000
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := resample.New(s.Rate, m.rate)
	if err != nil {
		return nil, fmt.Errorf("media: play at %d Hz: %w", s.Rate, err)
	}
	return &Playing{source: s, resampler: r, pcm: make([]int16, samplesIn(tickEvery, s.Rate))}, nil
}

// retune goes on at another rate of the mixer. One that has no filter ends.
func (p *Playing) retune(rate int) {
	r, err := resample.New(p.source.Rate, rate)
	if err != nil {
		p.Stop()
		return
	}
	p.resampler = r
}

// pull takes 20 ms; false at the end.
func (p *Playing) pull(rate int) bool {
	if p.stopped.Load() || !p.source.Next(p.pcm) {
		return false
	}
	p.now = p.resampler.Append(p.now[:0], p.pcm)
	n := samplesIn(tickEvery, rate)
	for len(p.now) < n { // a filter that is still filling up
		p.now = append(p.now, 0)
	}
	p.now = p.now[:n]
	return true
}
