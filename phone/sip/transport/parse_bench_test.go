package transport

import (
	"os"
	"testing"

	wire "github.com/emiago/sipgo/sip"
)

func BenchmarkParse(b *testing.B) {
	text, err := os.ReadFile("../testdata/rfc4475/inv2543.sip")
	if err != nil {
		b.Fatal(err)
	}
	p := wire.NewParser()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(p, text); err != nil {
			b.Fatal(err)
		}
	}
}
