// Package codec names the payload formats that parties agree on, and makes the
// encoders and decoders for those that can be turned into sound here.
//
//	payload --Decoder--> PCM, int16, mono, Rate() samples a second --Encoder--> payload
//
// One folder a codec; this package only knows them all. A codec keeps the
// state of one stream in one direction, so an Encoder or Decoder belongs to
// one goroutine at a time. Nothing here starts goroutines.
package codec

import (
	"fmt"
	"strings"
)

// Decoder turns the payloads of one stream into sound.
type Decoder interface {
	// Decode writes the samples of one payload to dst and gives their number.
	// It errs when dst is too short or the payload is damaged; the stream
	// goes on with the next payload.
	Decode(dst []int16, payload []byte) (n int, err error)
	// Rate is the number of samples a second.
	Rate() int
}

// Concealer is a Decoder that makes up sound for a payload that was lost. For
// the others, package conceal does.
type Concealer interface {
	// Conceal fills all of dst, up to 60 ms, with what may follow on the last
	// payload, fainter and fainter while losses go on.
	Conceal(dst []int16) (n int, err error)
}

// Recoverer is a Decoder that finds, in the payload after one that was lost, a
// coarse copy of the lost one (Opus in-band FEC, RFC 6716 2.1.7).
type Recoverer interface {
	// Recover fills all of dst, which is as long as the hole right before
	// next, and gives its length; 0 when next holds no copy: conceal instead.
	// Then decode next as usual.
	Recover(dst []int16, next []byte) (n int, err error)
}

// Encoder turns sound into the payloads of one stream.
type Encoder interface {
	// Encode writes one payload for all of pcm, 10 to 60 ms, to dst and gives
	// its length in bytes. 0 without an error: nothing needs to be sent, since
	// the party's decoder makes up the silence (Opus DTX, RFC 7587 3.1.3). It
	// errs when dst is too short.
	Encode(dst []byte, pcm []int16) (n int, err error)
	// Rate is the number of samples a second.
	Rate() int
}

// Framed is an Encoder that takes whole frames alone.
type Framed interface {
	// Frame is the number of samples of which every pcm has a multiple.
	Frame() int
}

// Adapter is an Encoder that can spend bits on surviving losses.
type Adapter interface {
	// Adapt tells which share of the packets, 0 to 1, gets lost on the way.
	Adapt(loss float64)
}

// Cloner is an Encoder that can be copied with its state, so that two streams
// go on from one.
type Cloner interface {
	Clone() (Encoder, error)
}

// Made are the names of the codecs that are decoded and encoded here, the best
// sounding first; others are handed on.
func Made() []string {
	var names []string
	for _, m := range makers() {
		names = append(names, m.name)
	}
	return names
}

// Lack is a codec that could be made here, if the program were built with it.
type Lack struct {
	Name   string
	Reason string // how to build so that it is there
}

// Lacks are the codecs that this build hands on though another would make them.
func Lacks() []Lack { return lacks() }

// NewDecoder makes a decoder for a stream of f. The error names the codec that
// is lacking.
func NewDecoder(f Format) (Decoder, error) { return NewDecoderAt(f, 0) }

// NewEncoder makes an encoder for a stream of f. The error names the codec
// that is lacking.
func NewEncoder(f Format) (Encoder, error) { return NewEncoderAt(f, 0) }

// NewDecoderAt makes a decoder for sound that is wanted at a rate. A codec that
// can (Opus at 8, 16, 24 and 48 kHz) decodes to it, which saves the work of the
// band above and of resampling; look at the decoder's Rate for what came of it.
func NewDecoderAt(f Format, rate int) (Decoder, error) {
	for _, m := range makers() {
		if m.name == f.Name && m.takes(f) {
			return m.decoder(f, rate)
		}
	}
	return nil, lacking(f, "decoded")
}

// NewEncoderAt makes an encoder for sound that is at hand at a rate, likewise.
func NewEncoderAt(f Format, rate int) (Encoder, error) {
	for _, m := range makers() {
		if m.name == f.Name && m.takes(f) {
			return m.encoder(f, rate)
		}
	}
	return nil, lacking(f, "encoded")
}

func lacking(f Format, verb string) error {
	for _, l := range Lacks() {
		if l.Name == f.Name {
			return fmt.Errorf("codec: %v cannot be %s in this build: %s", f, verb, l.Reason)
		}
	}
	return fmt.Errorf("codec: %v cannot be %s: agree on one of %s", f, verb, strings.Join(Made(), ", "))
}
