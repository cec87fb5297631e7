package media

import (
	"fmt"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/resample"
)

// Bounds of packets made here, in ms.
const (
	usualPtime = 20
	mostPtime  = 60 // as long as sendRoom holds
)

// primedBy is how much sound makes an encoder that begins anew like one that goes on.
const primedBy = 60 * time.Millisecond

// speech makes packets of one format from sound at one rate. It belongs to one
// goroutine at a time.
type speech struct {
	rate      int
	format    codec.Format
	ptime     int
	encoder   codec.Encoder
	resampler *resample.Resampler // nil copies
	frame     []int16             // at the encoder's rate; cap is one packet
	resampled []int16
	payload   []byte
	time      uint32
	marker    bool // the next packet begins a talkspurt
	advised   uint
	still     *still  // nil: silence is said like other sound
	past      []int16 // what the encoder heard last, of one that cannot be copied; cap bounds it
}

// utterance is a packet of a speech; its payload is good until the next.
type utterance struct {
	payload []byte
	time    uint32
	marker  bool
	due     time.Duration
	lasts   uint32 // ticks
	noise   bool   // the payload describes silence
}

// hearer gets the packets of a speech.
type hearer interface {
	hear(utterance)
}

// newSpeech errs when the format cannot be encoded or the rate not changed.
func newSpeech(f codec.Format, ptime, rate int) (*speech, error) {
	s := &speech{rate: rate, format: f, ptime: ptime, marker: true}
	var err error
	if s.encoder, err = codec.NewEncoderAt(f, rate); err != nil {
		return nil, err
	}
	if s.resampler, err = resample.New(rate, s.encoder.Rate()); err != nil {
		return nil, fmt.Errorf("%v: %w", f, err)
	}
	size := packetSize(s.encoder, ptime)
	if r := s.encoder.Rate(); r < slowest || r > mixMost {
		return nil, fmt.Errorf("%v: %w at %d Hz: agree on 8000 to 48000", f, ErrCannotBridge, r)
	}
	if _, copied := s.encoder.(codec.Cloner); !copied {
		s.past = make([]int16, 0, max(samplesIn(primedBy, s.encoder.Rate()), size)/size*size)
	}
	s.frame, s.payload = make([]int16, 0, size), make([]byte, 4*size) // of L16 in two channels
	return s, nil
}

// packetSize gives the samples of a packet: whole frames of the codec, as many
// as the wished length holds, but one at least.
func packetSize(e codec.Encoder, ptime int) int {
	if ptime <= 0 {
		ptime = usualPtime
	}
	size := e.Rate() * min(ptime, mostPtime) / 1000
	if f, ok := e.(codec.Framed); ok && f.Frame() > 0 {
		size = max(size/f.Frame(), 1) * f.Frame()
	}
	return size
}

func firstSound(formats []codec.Format) (codec.Format, bool) {
	for _, f := range formats {
		if f.Sound() {
			return f, true
		}
	}
	return codec.Format{}, false
}

// say speaks sound; whole packets go out at once, the rest waits.
func (s *speech) say(pcm []int16, now time.Duration, to hearer) {
	if s.resampler != nil {
		s.resampled = s.resampler.Append(s.resampled[:0], pcm)
		pcm = s.resampled
	}
	s.fill(pcm, now, to)
}

func (s *speech) fill(pcm []int16, now time.Duration, to hearer) {
	for len(pcm) > 0 {
		n := min(len(pcm), cap(s.frame)-len(s.frame))
		s.frame = append(s.frame, pcm[:n]...)
		pcm = pcm[n:]
		if len(s.frame) == cap(s.frame) {
			s.utter(now, to)
		}
	}
}

// hush fills the packet begun with silence, of which n samples at the speech's
// rate are to come, and lets time go on unspoken for the rest.
func (s *speech) hush(n int, now time.Duration, to hearer) {
	n = n * s.encoder.Rate() / s.rate
	if len(s.frame) > 0 {
		k := min(n, cap(s.frame)-len(s.frame))
		n -= k
		begun := len(s.frame)
		s.frame = s.frame[:begun+k]
		clear(s.frame[begun:])
		if len(s.frame) == cap(s.frame) {
			s.utter(now, to)
		}
	}
	if n > 0 {
		s.time += s.ticks(n)
		s.marker = true
	}
}

// finish sends what waits for its packet to be full, short where the codec takes
// any length; else it is left out.
func (s *speech) finish(now time.Duration, to hearer) {
	if _, framed := s.encoder.(codec.Framed); !framed && len(s.frame) > 0 {
		s.utter(now, to)
	}
	s.frame = s.frame[:0]
}

// utter encodes the packet; nothing is sent when the codec has nothing to send. What
// is silence the encoder does not see: the party's decoder does not hear it either.
func (s *speech) utter(now time.Duration, to hearer) {
	if s.mute(now, to) {
		return
	}
	s.recall(s.frame)
	n, err := s.encoder.Encode(s.payload, s.frame)
	if err == nil && n > 0 && to != nil {
		to.hear(utterance{payload: s.payload[:n], time: s.time, marker: s.marker, due: now, lasts: s.ticks(len(s.frame))})
		s.marker = false
	}
	if n == 0 {
		s.marker = true
	}
	s.time += s.ticks(len(s.frame))
	s.frame = s.frame[:0]
}

// mute describes the packet, if it is silence that the party can be told of.
func (s *speech) mute(now time.Duration, to hearer) bool {
	if s.still == nil || len(s.frame) == 0 {
		return false
	}
	quiet, description := s.still.quiet(s.frame, time.Duration(len(s.frame))*time.Second/time.Duration(s.encoder.Rate()))
	if !quiet {
		return false
	}
	if description != nil && to != nil {
		to.hear(utterance{payload: description, time: s.time, due: now, lasts: s.ticks(len(s.frame)), noise: true})
	}
	s.time += s.ticks(len(s.frame))
	s.marker = true
	s.frame = s.frame[:0]
	return true
}

// describe hands a description of silence on, between two packets.
func (s *speech) describe(payload []byte, now time.Duration, to hearer) {
	if s.still == nil || len(s.frame) > 0 || len(payload) == 0 {
		return
	}
	if s.still.white {
		payload = payload[:1]
	}
	to.hear(utterance{payload: payload, time: s.time, due: now, noise: true})
}

func (s *speech) ticks(samples int) uint32 {
	return uint32(samples * int(s.format.Clock) / s.encoder.Rate())
}

// recall keeps what a copy of the encoder is made to hear.
func (s *speech) recall(pcm []int16) {
	if over := len(s.past) + len(pcm) - cap(s.past); over > 0 {
		s.past = s.past[:copy(s.past, s.past[min(over, len(s.past)):])]
	}
	s.past = append(s.past, pcm[:min(len(pcm), cap(s.past)-len(s.past))]...)
}

// clone gives a speech that goes on from here by itself. A codec that cannot
// be copied (GSM, Speex, G.729: their libraries hide what they know) is made anew and
// hears once more what the other heard last: then the two know nearly the same.
func (s *speech) clone() (*speech, error) {
	c, err := newSpeech(s.format, s.ptime, s.rate)
	if err != nil {
		return nil, err
	}
	if cloner, ok := s.encoder.(codec.Cloner); ok {
		if c.encoder, err = cloner.Clone(); err != nil {
			return nil, fmt.Errorf("media: %v: %w", s.format, err)
		}
	}
	for past := s.past; len(past) >= cap(c.frame); past = past[cap(c.frame):] {
		if _, err := c.encoder.Encode(c.payload, past[:cap(c.frame)]); err != nil {
			return nil, fmt.Errorf("media: %v: %w", s.format, err)
		}
	}
	c.past = append(c.past, s.past...)
	c.resampler = s.resampler.Clone()
	c.frame = append(c.frame, s.frame...)
	c.time, c.marker, c.still = s.time, s.marker, s.still.clone()
	return c, nil
}
