package g722_test

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os/exec"
	"testing"

	"tincan/phone/codec/g722"
)

const second = g722.Rate

// corpus is sound of every kind, one second or more each.
func corpus(t testing.TB) map[string][]int16 {
	t.Helper()
	sounds := map[string][]int16{
		"silence":    make([]int16, second),
		"noise":      noise(32767),
		"soft noise": noise(100),
		"one bit":    noise(1),
		"sweep":      sweep(20000),
		"loud sweep": sweep(32767),
		"full scale": square(32767, -32768, 40),
		"shrill":     square(32767, -32768, 1),
		"offset":     square(32767, 32767, 1),
		"impulses":   impulses(),
		"bursts":     bursts(),
	}
	if speech := speak(t); speech != nil {
		sounds["speech"] = speech
	}
	return sounds
}

func noise(most int) []int16 {
	r := rand.New(rand.NewPCG(1, 2))
	pcm := make([]int16, second)
	for i := range pcm {
		pcm[i] = int16(r.IntN(2*most+1) - most)
	}
	return pcm
}

func noiseBytes(n int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// sweep goes from 0 to 8 kHz in three seconds.
func sweep(peak float64) []int16 {
	pcm := make([]int16, 3*second)
	for i := range pcm {
		x := float64(i) / float64(len(pcm))
		pcm[i] = int16(peak * math.Sin(math.Pi*x*x*float64(len(pcm))/2))
	}
	return pcm
}

func square(up, down int16, half int) []int16 {
	pcm := make([]int16, second)
	for i := range pcm {
		pcm[i] = up
		if i/half%2 == 1 {
			pcm[i] = down
		}
	}
	return pcm
}

func impulses() []int16 {
	pcm := make([]int16, second)
	for i := 0; i < len(pcm); i += 997 {
		pcm[i] = int16(32767 - 65535*(i%2))
	}
	return pcm
}

// bursts is full scale and silence in turn, which drives the step size.
func bursts() []int16 {
	pcm := noise(32767)
	for i := range pcm {
		if i/1600%2 == 1 {
			pcm[i] = 0
		}
	}
	return pcm
}

// speak is synthesised speech, at a rate that is not ours: nothing here minds.
func speak(t testing.TB) []int16 {
	t.Helper()
	wav, err := exec.Command("espeak-ng", "--stdout", "The quick brown fox jumps over the lazy dog, 1 2 3 4 5 6 7 8 9.").Output()
	if err != nil || len(wav) < 44 {
		return nil // not installed: the rest of the corpus says enough
	}
	pcm := make([]int16, (len(wav)-44)/4*2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(wav[44+2*i:]))
	}
	return pcm
}

// TestBitsStayTheSame holds the bytes of the corpus that needs no synthesiser,
// which were the same as libspandsp's (TestSameBitsAsSpandsp, tag spandsp),
// where that is not installed.
func TestBitsStayTheSame(t *testing.T) {
	want := map[string]uint64{
		"bursts":     0x9bc811b5d4695960,
		"full scale": 0x748cfbe896607e,
		"impulses":   0x7f261429023a5385,
		"loud sweep": 0x658e0102cd2fba9a,
		"noise":      0x37a290914b5f24d1,
		"offset":     0xf1defd92e2a5c83c,
		"one bit":    0x1406cfe5c7d31efa,
		"shrill":     0x9ec6e6f13c7a195b,
		"silence":    0x2f5dfa02b8978ed4,
		"soft noise": 0x1f4f466d546f446a,
		"sweep":      0xb8a7bcb8a4baff83,
	}
	for name, pcm := range corpus(t) {
		if name == "speech" {
			continue
		}
		h := fnv.New64a()
		code := encode(t, g722.NewEncoder(), pcm)
		h.Write(code)
		_ = binary.Write(h, binary.LittleEndian, decode(t, g722.NewDecoder(), code))
		if got := h.Sum64(); got != want[name] {
			t.Errorf("%q: %#x,", name, got)
		}
	}
}

func encode(t *testing.T, e *g722.Encoder, pcm []int16) []byte {
	t.Helper()
	code := make([]byte, len(pcm)/2)
	if n, err := e.Encode(code, pcm); n != len(code) || err != nil {
		t.Fatalf("%d bytes, want %d; %v", n, len(code), err)
	}
	return code
}

func decode(t *testing.T, d *g722.Decoder, code []byte) []int16 {
	t.Helper()
	pcm := make([]int16, 2*len(code))
	if n, err := d.Decode(pcm, code); n != len(pcm) || err != nil {
		t.Fatalf("%d samples, want %d; %v", n, len(pcm), err)
	}
	return pcm
}

// TestSoundComesBack: a tone in either half band returns 22 samples later with
// little noise.
func TestSoundComesBack(t *testing.T) {
	const delay = 22 // of both filters
	for hz, least := range map[float64]float64{300: 25, 1000: 25, 3000: 25, 6000: 15} {
		pcm := make([]int16, second)
		for i := range pcm {
			pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/second))
		}
		back := decode(t, g722.NewDecoder(), encode(t, g722.NewEncoder(), pcm))
		var signal, wrong float64
		for i := second / 10; i < second; i++ {
			want, got := float64(pcm[i-delay]), float64(back[i])
			signal += want * want
			wrong += (got - want) * (got - want)
		}
		if snr := 10 * math.Log10(signal/wrong); snr < least {
			t.Errorf("%.0f Hz: signal to noise is %.1f dB, want %.0f", hz, snr, least)
		}
	}
}

// TestPacketsAreOneStream: cut into packets, reset and cloned, the bits stay
// the same.
func TestPacketsAreOneStream(t *testing.T) {
	pcm := noise(20000)
	e := g722.NewEncoder()
	whole := encode(t, e, pcm)
	e.Reset()
	var pieces []byte
	for i, size := 0, 160; i < len(pcm); i, size = i+size, min(960, len(pcm)-i-size) {
		pieces = append(pieces, encode(t, e, pcm[i:i+size])...)
		e = e.Clone()
	}
	if !bytes.Equal(whole, pieces) {
		t.Error("packets of a reset and cloned encoder differ from one long one")
	}

	d := g722.NewDecoder()
	long := decode(t, d, whole)
	d.Reset()
	short := append(decode(t, d, whole[:999]), decode(t, d, whole[999:])...)
	for i := range long {
		if long[i] != short[i] {
			t.Fatalf("sample %d of a reset decoder differs", i)
		}
	}
}

func TestShortBuffersAreErrors(t *testing.T) {
	if _, err := g722.NewEncoder().Encode(make([]byte, 79), make([]int16, 160)); err == nil {
		t.Error("79 bytes were enough for 160 samples")
	}
	if _, err := g722.NewEncoder().Encode(make([]byte, 80), make([]int16, 159)); err == nil {
		t.Error("half a byte was encoded")
	}
	if _, err := g722.NewDecoder().Decode(make([]int16, 319), make([]byte, 160)); err == nil {
		t.Error("319 samples were enough for 160 bytes")
	}
}

func TestNothingIsAllocated(t *testing.T) {
	e, d := g722.NewEncoder(), g722.NewDecoder()
	pcm, code := make([]int16, 320), make([]byte, 160)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = e.Encode(code, pcm)
		_, _ = d.Decode(pcm, code)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// FuzzDecode: whatever comes, twice as many samples come out, the same each
// time, and an encoder takes them.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(noiseBytes(160))
	f.Fuzz(func(t *testing.T, code []byte) {
		pcm := make([]int16, 2*len(code)+1)
		pcm[2*len(code)] = 12345
		n, err := g722.NewDecoder().Decode(pcm, code)
		if n != 2*len(code) || err != nil || pcm[n] != 12345 {
			t.Fatalf("%d bytes gave %d samples, %v", len(code), n, err)
		}
		encode(t, g722.NewEncoder(), pcm[:n])
	})
}

func BenchmarkEncode20ms(b *testing.B) {
	e, pcm, code := g722.NewEncoder(), noise(8000), make([]byte, 160)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = e.Encode(code, pcm[:320])
	}
}

func BenchmarkDecode20ms(b *testing.B) {
	d, pcm, code := g722.NewDecoder(), make([]int16, 320), noiseBytes(160)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = d.Decode(pcm, code)
	}
}
