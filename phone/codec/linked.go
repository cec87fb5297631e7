//go:build cgo

package codec

import (
	"tincan/phone/codec/gsm"
	"tincan/phone/codec/opus"
	"tincan/phone/codec/speex"
)

// linked are the codecs that come from libraries: those that sound better than
// the ones in Go, and the others.
func linked() (wide, narrow []maker) {
	return []maker{opusMaker()}, append([]maker{gsmMaker(), speexMaker()}, linkedG729()...)
}

func lacks() []Lack { return lacksG729() }

// opusMaker: two channels are written for one as well (RFC 7587 7).
func opusMaker() maker {
	return maker{
		"opus", func(f Format) bool { return f.Clock == 48000 },
		func(_ Format, rate int) (Decoder, error) { return opus.NewDecoder(opus.Near(rate)) },
		func(f Format, rate int) (Encoder, error) {
			e, err := opus.NewEncoder(opus.Near(rate), opus.ParseParams(f.Fmtp))
			return opusEncoder{e}, err
		},
	}
}

type opusEncoder struct{ *opus.Encoder }

func (e opusEncoder) Clone() (Encoder, error) { return opusEncoder{e.Encoder.Clone()}, nil }

func gsmMaker() maker {
	return maker{
		"gsm", clocked(gsm.Rate),
		func(Format, int) (Decoder, error) { return gsm.NewDecoder() },
		func(Format, int) (Encoder, error) { return gsm.NewEncoder() },
	}
}

func speexMaker() maker {
	return maker{
		"speex", clocked(8000, 16000, 32000),
		func(f Format, _ int) (Decoder, error) { return speex.NewDecoder(int(f.Clock)) },
		func(f Format, _ int) (Encoder, error) {
			return speex.NewEncoder(int(f.Clock), speex.ParseParams(f.Fmtp, int(f.Clock)))
		},
	}
}
