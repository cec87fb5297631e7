package media

import "tincan/phone/media/resample"

// retune goes on at another rate: what waits is converted, and the filter of
// the voice that speaks begins full of what was decoded last.
func (e *ear) retune(rate int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if rate == e.rate {
		return
	}
	e.fifo, e.head = converted(e.fifo, e.head, e.rate, rate)
	e.debt = e.debt * rate / e.rate
	e.rate, e.late.voice = rate, nil
	if e.background.heard {
		e.tuneNoise()
	}
	if e.keys != nil {
		e.keys = newKeyEar(rate, e.keys.tell)
	}
	if e.clean != nil {
		e.clean.retune(rate)
	}
	for i := range e.voices {
		v := &e.voices[i]
		if r, err := resample.New(v.decoder.Rate(), rate); err == nil {
			v.resampler = r
		}
	}
	if e.raw != nil {
		e.voices[e.voice].resampler.Append(nil, e.raw[:e.last])
	}
}

// converted gives sound at another rate, and where head is in it.
func converted(pcm []int16, head, from, to int) ([]int16, int) {
	r, err := resample.New(from, to)
	if err != nil {
		return nil, 0
	}
	return r.Append(nil, pcm), min(head*to/from, len(pcm)*to/from)
}

// retune goes on at another rate.
func (s *speech) retune(rate int) {
	if rate == s.rate {
		return
	}
	if r, err := resample.New(rate, s.encoder.Rate()); err == nil {
		s.rate, s.resampler = rate, r
	}
}
