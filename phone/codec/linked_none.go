//go:build !cgo

package codec

func linked() (wide, narrow []maker) { return nil, nil }

func lacks() []Lack {
	const reason = "it was built without a C compiler or the libraries: `scripts/deps codecs`, then `make build`"
	return []Lack{{"opus", reason}, {"gsm", reason}, {"speex", reason}, {"g729", reason + ", with TAGS=g729"}}
}
