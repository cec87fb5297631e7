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

	"tincan/phone/codec/g711"
	"tincan/phone/codec/l16"
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

// Encoder turns sound into the payloads of one stream.
type Encoder interface {
	// Encode writes one payload for all of pcm to dst and gives its length
	// in bytes. It errs when dst is too short.
	Encode(dst []byte, pcm []int16) (n int, err error)
	// Rate is the number of samples a second.
	Rate() int
}

// Made are the names of the codecs that are decoded and encoded here; others are
// handed on.
func Made() []string { return []string{"pcma", "pcmu", "l16"} }

// NewDecoder makes a decoder for a stream of f. The error names the codec that
// is lacking.
func NewDecoder(f Format) (Decoder, error) {
	switch {
	case f.Name == "pcmu" && mono(f):
		return g711.Mu{SampleRate: int(f.Clock)}, nil
	case f.Name == "pcma" && mono(f):
		return g711.A{SampleRate: int(f.Clock)}, nil
	case f.Name == "l16" && mono(f):
		return l16.Codec{SampleRate: int(f.Clock)}, nil
	}
	return nil, lacking(f, "decoded")
}

// NewEncoder makes an encoder for a stream of f. The error names the codec
// that is lacking.
func NewEncoder(f Format) (Encoder, error) {
	switch {
	case f.Name == "pcmu" && mono(f):
		return g711.Mu{SampleRate: int(f.Clock)}, nil
	case f.Name == "pcma" && mono(f):
		return g711.A{SampleRate: int(f.Clock)}, nil
	case f.Name == "l16" && mono(f):
		return l16.Codec{SampleRate: int(f.Clock)}, nil
	}
	return nil, lacking(f, "encoded")
}

func mono(f Format) bool { return channels(f) == 1 && f.Clock > 0 }

func lacking(f Format, verb string) error {
	return fmt.Errorf("codec: %v cannot be %s in this build: agree on pcmu or pcma", f, verb)
}
