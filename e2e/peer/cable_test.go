package peer

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Two frames as a cable has them: IPv4 without and IPv6 with a VLAN's tag, one byte of
// UDP in each. Their checksums were worked out elsewhere.
const (
	frame4 = "020000000002020000000001" + "0800" +
		"4500001d00000000401166ce" + "0a000001" + "0a000002" + "0fa01388" + "0009" + "87b1" + "41"
	frame6 = "020000000002020000000001" + "81000007" + "86dd" +
		"60000000" + "0009" + "1140" + "20010db8000000000000000000000001" + "20010db8000000000000000000000002" +
		"0fa01388" + "0009" + "403f" + "41"
)

// The log of a cable tells families and tags apart, and finds each checksum that is
// wrong.
func TestHarnessCableLog(t *testing.T) {
	bytesOf := func(text string) []byte {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	spoilt := func(text string, at int) []byte {
		b := bytesOf(text)
		b[at] ^= 1
		return b
	}
	log := func(frames ...[]byte) CableLog {
		b := binary.NativeEndian.AppendUint32(nil, pcapMagic)
		b = append(b, make([]byte, pcapHead-len(b))...)
		for _, f := range frames {
			head := make([]byte, pcapRecord)
			binary.NativeEndian.PutUint32(head[pcapLength:], uint32(len(f)))
			b = append(append(b, head...), f...)
		}
		file := filepath.Join(t.TempDir(), "cable")
		if err := os.WriteFile(file, append(b, 1, 2, 3), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadCableLog(t, file)
	}
	short := append(bytesOf(frame4), make([]byte, 20)...) // padded by a card
	want := CableLog{Plain: [2]int{2, 0}, Tagged: [2]int{0, 1}}
	if d := cmp.Diff(want, log(bytesOf(frame4), bytesOf(frame6), short, bytesOf(frame4)[:20])); d != "" {
		t.Errorf("good frames (-want +got):\n%s", d)
	}
	const ipSum4, udpSum4, port6 = 24, 40, 58
	if got := log(spoilt(frame4, ipSum4), spoilt(frame4, udpSum4), spoilt(frame6, port6)); len(got.Wrong) != 3 {
		t.Errorf("of three wrong sums found %q", got.Wrong)
	}
}
