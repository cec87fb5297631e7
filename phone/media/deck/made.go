package deck

import (
	"io"
	"time"

	"tincan/phone/media"
	"tincan/phone/media/file"
)

// Made plays so much of a sound that is made, such as a tone.
func Made(source media.Source, length time.Duration) Item {
	return func() (file.Reader, error) {
		return &made{source: source, block: make([]int16, samples(blockTime, source.Rate)), left: samples(length, source.Rate)}, nil
	}
}

// Silence plays nothing for a while.
func Silence(length time.Duration) Item {
	return Made(media.Source{Rate: PlayRate, Next: func(pcm []int16) bool { clear(pcm); return true }}, length)
}

// made reads a source.
type made struct {
	source media.Source
	block  []int16
	rest   []int16 // of block
	left   int
}

func (m *made) Rate() int    { return m.source.Rate }
func (m *made) Close() error { return nil }

func (m *made) Read(pcm []int16) (n int, err error) {
	for n < len(pcm) && m.left > 0 {
		if len(m.rest) == 0 {
			if !m.source.Next(m.block) {
				return n, io.EOF
			}
			m.rest = m.block
		}
		k := copy(pcm[n:], m.rest[:min(len(m.rest), m.left)])
		n, m.rest, m.left = n+k, m.rest[k:], m.left-k
	}
	if m.left == 0 {
		return n, io.EOF
	}
	return n, nil
}
