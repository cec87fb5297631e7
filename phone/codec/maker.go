package codec

import (
	"slices"

	"tincan/phone/codec/g711"
	"tincan/phone/codec/g722"
	"tincan/phone/codec/l16"
)

// maker makes the two halves of one codec. A rate of 0 leaves the choice to it.
type maker struct {
	name    string
	takes   func(Format) bool
	decoder func(f Format, rate int) (Decoder, error)
	encoder func(f Format, rate int) (Encoder, error)
}

// makers are the codecs of this build in the order of Made.
func makers() []maker {
	wide, narrow := linked()
	all := append(wide, g722Maker(), g711Maker("pcma"), g711Maker("pcmu"))
	return append(append(all, narrow...), l16Maker())
}

func g711Maker(name string) maker {
	stream := func(f Format) stateless {
		if name == "pcma" {
			return stateless{g711.A{SampleRate: int(f.Clock)}}
		}
		return stateless{g711.Mu{SampleRate: int(f.Clock)}}
	}
	return maker{
		name, mono,
		func(f Format, _ int) (Decoder, error) { return stream(f), nil },
		func(f Format, _ int) (Encoder, error) { return stream(f), nil },
	}
}

func l16Maker() maker {
	stream := func(f Format) stateless {
		return stateless{l16.Codec{SampleRate: int(f.Clock), Channels: int(f.Channels)}}
	}
	return maker{
		"l16", func(f Format) bool { return f.Channels <= 2 && f.Clock > 0 },
		func(f Format, _ int) (Decoder, error) { return stream(f), nil },
		func(f Format, _ int) (Encoder, error) { return stream(f), nil },
	}
}

func g722Maker() maker {
	return maker{
		"g722", clocked(8000),
		func(Format, int) (Decoder, error) { return g722.NewDecoder(), nil },
		func(Format, int) (Encoder, error) { return g722Encoder{g722.NewEncoder()}, nil },
	}
}

func mono(f Format) bool { return channels(f) == 1 && f.Clock > 0 }

// clocked is true of mono formats with one of some clocks.
func clocked(clocks ...uint32) func(Format) bool {
	return func(f Format) bool { return mono(f) && slices.Contains(clocks, f.Clock) }
}

// stateless is a codec whose every payload stands alone, so that a clone is the
// same.
type stateless struct{ both }

type both interface {
	Decoder
	Encoder
}

func (c stateless) Clone() (Encoder, error) { return c, nil }

type g722Encoder struct{ *g722.Encoder }

func (e g722Encoder) Clone() (Encoder, error) { return g722Encoder{e.Encoder.Clone()}, nil }
