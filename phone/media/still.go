package media

import (
	"math"
	"slices"
	"time"

	"tincan/phone/codec"
	"tincan/phone/codec/cn"
)

// What is taken for silence in sound that is made here, and how often it is
// described.
const (
	stillBelow  = -50.0                  // dBov: softer than any speech, louder than most rooms
	stillAfter  = 240 * time.Millisecond // of it: words have soft ends, and pauses between syllables
	stillEvery  = time.Second            // it is described again, so that routers keep the way open
	stillChange = 3                      // dB by which the level changes that is described at once
)

// still finds silence in what a speech says. The party is sent a description of it
// (RFC 3389) in place of packets, if it takes that and its codec has no such thing of
// its own.
//
//	soft for 240 ms and no speech  ──> description, at each change and each second
//	anything else                  ──> sound, at once
//
// A steady tone or music is never softer than stillBelow, whatever a detector of
// speech makes of it.
type still struct {
	voice    *cn.Voice
	analyser *cn.Analyser
	white    bool // the level alone: the codec's rate is not the noise's
	soft     time.Duration
	silent   bool
	told     byte          // level, -dBov
	since    time.Duration // that it was told
	payload  []byte
}

// silences are the codecs that have a silence of their own: DTX (Opus, Speex), Annex B
// (G.729).
func silences(f codec.Format) bool {
	return slices.Contains([]string{"opus", "speex", "g729"}, f.Name)
}

// noiseOf finds the comfort noise that a party takes beside a codec; nil: none.
func noiseOf(f codec.Format, accepts []codec.Format) *codec.Format {
	if silences(f) {
		return nil
	}
	for i := range accepts {
		if n := &accepts[i]; n.Name == codec.ComfortNoise && n.Clock == f.Clock {
			return n
		}
	}
	return nil
}

// sameNoise tells whether silence is described in the same way, or not at all.
func sameNoise(a, b *codec.Format) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func newStill(rate int, clock uint32) *still {
	return &still{voice: cn.NewVoice(rate), analyser: cn.NewAnalyser(rate), white: rate != int(clock)}
}

// clone gives one that goes on from here by itself; of nil, nil.
func (s *still) clone() *still {
	if s == nil {
		return nil
	}
	c, voice, analyser := *s, *s.voice, *s.analyser
	c.voice, c.analyser, c.payload = &voice, &analyser, slices.Clone(s.payload)
	return &c
}

// quiet takes the sound of a packet. It reports whether nothing is to be heard in it;
// then the description is not nil if it is to be sent.
func (s *still) quiet(pcm []int16, length time.Duration) (yes bool, description []byte) {
	speech := s.voice.Active(pcm)
	if speech || dBov(pcm) > stillBelow {
		s.soft, s.silent = 0, false
		return false, nil
	}
	s.analyser.Add(pcm)
	if s.soft += length; s.soft <= stillAfter {
		return false, nil
	}
	s.since += length
	s.payload = s.analyser.Append(s.payload[:0])
	if s.white {
		s.payload = s.payload[:1]
	}
	change := int(s.payload[0]) - int(s.told)
	if s.silent && s.since < stillEvery && max(change, -change) < stillChange {
		return true, nil
	}
	s.silent, s.since, s.told = true, 0, s.payload[0]
	return true, s.payload
}

// dBov is the level of sound (RFC 3389 3.1).
func dBov(pcm []int16) float64 {
	sum := 0.0
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return 10 * math.Log10(max(sum/float64(max(len(pcm), 1)), 1e-9)/(math.MaxInt16*math.MaxInt16))
}
