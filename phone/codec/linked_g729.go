//go:build cgo && g729

package codec

import "tincan/phone/codec/g729"

func linkedG729() []maker {
	return []maker{{
		"g729", clocked(g729.Rate),
		func(Format, int) (Decoder, error) { return g729.NewDecoder() },
		func(Format, int) (Encoder, error) { return g729.NewEncoder() },
	}}
}

func lacksG729() []Lack { return nil }
