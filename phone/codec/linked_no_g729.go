//go:build cgo && !g729

package codec

func linkedG729() []maker { return nil }

func lacksG729() []Lack {
	return []Lack{{"g729", "it is left out unless asked for: `make build TAGS=g729`"}}
}
