//go:build cgo && !g729

package codec

func linkedG729() []maker { return nil }

func lacksG729() []Lack {
	return []Lack{{"g729", "build with `make build TAGS=g729` to have it"}}
}
