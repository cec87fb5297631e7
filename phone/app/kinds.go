package app

import (
	"tincan/phone/codec"
	"tincan/phone/media"
)

// echo sends everything back as it came, whatever the codec.
var echo = kind{
	flow: func(*media.Engine, *media.Stream) (media.Flow, func()) {
		e := media.NewEcho()
		return e, func() { e.Route(nil) }
	},
}

// tone is 440 Hz at -15 dB, in the codecs that this server can encode, the
// cheapest first.
var tone = kind{
	codecs: append([]string{"pcmu", "pcma"}, codec.Made()...),
	flow: func(e *media.Engine, _ *media.Stream) (media.Flow, func()) {
		t := media.NewTone(e, media.Tone{})
		return t, func() { t.Route(nil) }
	},
}
