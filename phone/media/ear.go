package media

import (
	"fmt"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/resample"
)

// Bounds of decoding.
const (
	longestPacket = 120 * time.Millisecond // of sound in one payload (Opus, RFC 7587 4.2)
	concealed     = 60 * time.Millisecond  // a longer hole is a pause, not a loss
	late          = time.Second            // an older packet than that is a restart
)

// ear decodes what a flow sends to sound at one rate, and finds the holes in
// it. It belongs to one goroutine at a time.
type ear struct {
	rate   int
	byPT   [128]uint8 // place in voices, plus one
	voices []voice
	// Most calls are relayed and never decode: the buffers come with the first
	// packet that must be.
	fastest int     // of the decoders' rates
	raw     []int16 // as decoded
	pcm     []int16 // at rate

	started bool
	ssrc    uint32
	next    uint32 // media time expected
}

// voice decodes one format.
type voice struct {
	decoder   codec.Decoder
	resampler *resample.Resampler
}

// newEar makes an ear for all formats that can be decoded. It errs when the
// first that is sound cannot.
func newEar(sends []codec.Format, rate int) (*ear, error) {
	e := &ear{rate: rate}
	for _, f := range sends {
		if !f.Sound() || f.PT > 127 {
			continue
		}
		v, err := newVoice(f, rate)
		if err != nil {
			if len(e.voices) == 0 {
				return nil, err
			}
			continue // comes seldom if ever: dropped when it does
		}
		e.voices = append(e.voices, v)
		e.byPT[f.PT] = uint8(len(e.voices))
		e.fastest = max(e.fastest, v.decoder.Rate())
	}
	return e, nil
}

func newVoice(f codec.Format, rate int) (voice, error) {
	d, err := codec.NewDecoder(f)
	if err != nil {
		return voice{}, err
	}
	r, err := resample.New(d.Rate(), rate)
	if err != nil {
		return voice{}, fmt.Errorf("%v: %w", f, err)
	}
	return voice{d, r}, nil
}

// hear decodes a packet: its sound, valid until the next call, and how many
// samples are missing before it. It is false for what comes too late, is
// damaged, or cannot be decoded.
func (e *ear) hear(p *Packet) (pcm []int16, gap int, ok bool) {
	place := e.byPT[p.Format.PT&127]
	if place == 0 {
		return nil, 0, false
	}
	v := &e.voices[place-1]
	clock := int(p.Format.Clock)
	ahead := int(int32(p.Time - e.next))
	if !e.started || p.ssrc != e.ssrc || ahead < -int(ticks(late, p.Format.Clock)) {
		ahead = 0 // another stream: it joins where the last one ended
	}
	if ahead < 0 {
		return nil, 0, false
	}
	if e.raw == nil {
		e.raw = make([]int16, samplesIn(longestPacket, e.fastest))
		e.pcm = make([]int16, 0, samplesIn(longestPacket, e.rate))
	}
	n, err := v.decoder.Decode(e.raw, p.Payload)
	if err != nil {
		return nil, 0, false
	}
	e.started, e.ssrc = true, p.ssrc
	e.next = p.Time + uint32(n*clock/v.decoder.Rate())
	e.pcm = v.resampler.Append(e.pcm[:0], e.raw[:n])
	return e.pcm, ahead * e.rate / clock, true
}

// samplesIn gives the number of samples in a time.
func samplesIn(d time.Duration, rate int) int {
	return int(d * time.Duration(rate) / time.Second)
}
