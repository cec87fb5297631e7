package media

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tincan/phone/codec"
	"tincan/phone/codec/conceal"
	"tincan/phone/media/resample"
)

// Bounds of decoding.
const (
	longestPacket = 120 * time.Millisecond // of sound in one payload (Opus, RFC 7587 4.2)
	longestHole   = 100 * time.Millisecond // a longer one is a pause, not a loss
	stale         = time.Second            // an older packet than that is a restart
	leap          = time.Minute            // and so is one that is so far ahead
	remembered    = 50 * time.Millisecond  // of sound that was played, for scaling and going on with it
)

// ear turns what a flow sends into sound at one rate. It puts packets in
// order, finds the holes and fills them. The sound is either taken by the
// clock (playout.go), or pushed on as packets come (transcode.go); the ear may
// go from one to the other and loses nothing by it.
//
//	Deliver -> shelf -> decoder -> resampler -> fifo [past|head  next out]
//	           ^ by media time      holes: recovered or concealed
//
// Its methods may be called by any goroutine.
type ear struct {
	log *slog.Logger // may be nil

	mu     sync.Mutex // guards what follows
	rate   int
	sends  []codec.Format
	byPT   [128]uint8 // place in voices, plus one
	voices []voice
	// Most calls are relayed and never decode: the buffers come with the first
	// packet that must be.
	raw  []int16 // as decoded
	last int     // samples of it that came last
	fifo []int16
	head int
	late late

	shelf shelf
	delay delays
	// steady: packets come by our own clock, so none is late or lost.
	steady bool
	keys   *keyEar  // nil: not looked for
	clean  *cleaner // nil: sound stays as it is

	// The stream that is heard.
	begun      bool
	ssrc       uint32
	clock      uint32
	voice      uint8  // of what was decoded last
	came       int64  // time of the last packet put, ticks
	stamp      uint32 // and as it was written
	cameSeq    uint16
	next       int64  // ticks: what is decoded next
	lastSeq    uint16 // of what was decoded last
	step       int64  // ticks of the last packet
	background background
	playout
	hearing Hearing
	told    bool // of a fault, once
}

// Hearing counts what an ear met.
type Hearing struct {
	Packets   uint64 // decoded
	Duplicate uint64
	Late      uint64 // came when their time was over
	Damaged   uint64 // did not decode
	Recovered uint64 // found in the packet after them
	Restarts  uint64 // of the stream: another SSRC, clock or time
	// In samples at the rate that was asked for.
	Played, Concealed, Scaled uint64
}

// voice decodes one format.
type voice struct {
	format    codec.Format
	decoder   codec.Decoder
	filler    codec.Concealer
	resampler *resample.Resampler
}

// slowest is the least number of samples a second that is sound.
const slowest = 8000

// newEar makes an ear for all formats that can be decoded. It errs when the
// first that is sound cannot.
func newEar(terms Terms, rate int, log *slog.Logger) (*ear, error) {
	e := &ear{rate: rate, sends: terms.Sends, steady: terms.steady, log: log}
	for _, f := range e.sends {
		if f.Name == codec.ComfortNoise && f.PT < 128 {
			e.byPT[f.PT] = noiseVoice + 1
		}
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
	}
	e.keys = newKeyEar(rate, terms.keys)
	e.clean = newCleaner(rate, terms.Clean, log)
	if len(e.voices) == 0 {
		return nil, fmt.Errorf("%w: the party sends no sound", ErrCannotBridge)
	}
	return e, nil
}

// serves tells whether the ear will do for a party.
func (e *ear) serves(t Terms) bool {
	return slices.Equal(e.sends, t.Sends) && (e.keys == nil) == (t.keys == nil) && e.cleaned() == t.Clean
}

// cleaned tells what is done to what the party says.
func (e *ear) cleaned() Clean {
	if e.clean == nil {
		return Clean{}
	}
	return e.clean.what
}

// far is where what the party is sent goes, that its echo may be found; nil:
// nowhere.
func (e *ear) far() *farEnd {
	if e == nil || e.clean == nil {
		return nil
	}
	return e.clean.far
}

func newVoice(f codec.Format, rate int) (voice, error) {
	d, err := codec.NewDecoderAt(f, rate)
	if err != nil {
		return voice{}, err
	}
	if d.Rate() < slowest || d.Rate() > mixMost {
		return voice{}, fmt.Errorf("%v: %w at %d Hz: agree on 8000 to 48000", f, ErrCannotBridge, d.Rate())
	}
	r, err := resample.New(d.Rate(), rate)
	if err != nil {
		return voice{}, fmt.Errorf("%v: %w", f, err)
	}
	filler, ok := d.(codec.Concealer)
	if !ok {
		filler = conceal.New(d.Rate())
	}
	return voice{format: f, decoder: d, filler: filler, resampler: r}, nil
}

// heard gives the counts.
func (e *ear) heard() Hearing {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.hearing
}

// samplesIn gives the number of samples in a time.
func samplesIn(d time.Duration, rate int) int {
	return int(d * time.Duration(rate) / time.Second)
}
