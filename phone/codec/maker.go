package codec

import (
	"tincan/phone/codec/g711"
	"tincan/phone/codec/l16"
)

// maker makes the two halves of one codec. A rate of 0 leaves the choice to it.
type maker struct {
	name    string
	takes   func(Format) bool
	decoder func(f Format, rate int) (Decoder, error)
	encoder func(f Format, rate int) (Encoder, error)
}

// makers are the codecs of this build, the best sounding first.
func makers() []maker {
	return append(linked(),
		maker{
			"pcma", mono,
			func(f Format, _ int) (Decoder, error) { return g711.A{SampleRate: int(f.Clock)}, nil },
			func(f Format, _ int) (Encoder, error) { return g711.A{SampleRate: int(f.Clock)}, nil },
		},
		maker{
			"pcmu", mono,
			func(f Format, _ int) (Decoder, error) { return g711.Mu{SampleRate: int(f.Clock)}, nil },
			func(f Format, _ int) (Encoder, error) { return g711.Mu{SampleRate: int(f.Clock)}, nil },
		},
		maker{
			"l16", mono,
			func(f Format, _ int) (Decoder, error) { return l16.Codec{SampleRate: int(f.Clock)}, nil },
			func(f Format, _ int) (Encoder, error) { return l16.Codec{SampleRate: int(f.Clock)}, nil },
		},
	)
}

// linked are the codecs that come from libraries.
func linked() []maker { return nil }

func lacks() []Lack { return nil }

func mono(f Format) bool { return channels(f) == 1 && f.Clock > 0 }
