//go:build cgo

package opus_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/phone/codec/opus"
)

// voice is something like speech: harmonics of a low tone, by turns loud and
// soft, n samples of it.
func voice(rate, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		at := float64(i) / float64(rate)
		var sum float64
		for h := 1.0; h <= 20; h++ {
			sum += math.Sin(2*math.Pi*140*h*at) / h
		}
		pcm[i] = int16(4000 * sum * (1.1 + math.Sin(2*math.Pi*3*at)))
	}
	return pcm
}

func encoder(t testing.TB, rate int, p opus.Params) *opus.Encoder {
	t.Helper()
	e, err := opus.NewEncoder(rate, p)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func decoder(t testing.TB, rate int) *opus.Decoder {
	t.Helper()
	d, err := opus.NewDecoder(rate)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// packets are the payloads of pcm in packets of so many ms.
func packets(t testing.TB, e *opus.Encoder, pcm []int16, ms int) [][]byte {
	t.Helper()
	var all [][]byte
	size := e.Rate() * ms / 1000
	for ; len(pcm) >= size; pcm = pcm[size:] {
		payload := make([]byte, 1500)
		n, err := e.Encode(payload, pcm[:size])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, payload[:n])
	}
	return all
}

func energy(pcm []int16) float64 {
	var sum float64
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return sum / float64(max(len(pcm), 1))
}

func TestEveryRateAndPacketLength(t *testing.T) {
	for _, rate := range []int{8000, 12000, 16000, 24000, 48000} {
		for _, ms := range []int{10, 20, 30, 40, 50, 60} {
			t.Run(fmt.Sprintf("%d Hz, %d ms", rate, ms), func(t *testing.T) {
				pcm := voice(rate, rate)
				d, dst, sound := decoder(t, rate), make([]int16, rate), []int16(nil)
				for _, p := range packets(t, encoder(t, rate, opus.Params{}), pcm, ms) {
					n, err := d.Decode(dst, p)
					if err != nil || n != rate*ms/1000 {
						t.Fatalf("%d samples, %v", n, err)
					}
					sound = append(sound, dst[:n]...)
				}
				if ratio := energy(sound) / energy(pcm); ratio < 0.5 || ratio > 1.5 {
					t.Errorf("the sound comes back %.2f times as strong", ratio)
				}
			})
		}
	}
}

func TestLengthsThatOpusLacksAreErrors(t *testing.T) {
	e := encoder(t, 48000, opus.Params{})
	for _, n := range []int{0, 1, 120, 479, 481, 1000, 3360} {
		if _, err := e.Encode(make([]byte, 1500), make([]int16, n)); err == nil {
			t.Errorf("%d samples were taken", n)
		}
	}
	if _, err := e.Encode(nil, make([]int16, 960)); err == nil {
		t.Error("no room was enough")
	}
	if _, err := opus.NewEncoder(44100, opus.Params{}); err == nil {
		t.Error("44100 Hz was taken")
	}
	d := decoder(t, 48000)
	payload := packets(t, e, voice(48000, 960), 20)[0]
	if _, err := d.Decode(make([]int16, 959), payload); err == nil {
		t.Error("959 samples of room were enough for 20 ms")
	}
	if _, err := d.Decode(make([]int16, 960), nil); err == nil {
		t.Error("nothing was decoded")
	}
	if _, err := d.Decode(nil, payload); err == nil {
		t.Error("no room was enough to decode")
	}
}

// TestSilenceIsNotSent, if the receiver allows that, but for a packet now and
// then.
func TestSilenceIsNotSent(t *testing.T) {
	for _, ms := range []int{20, 30} {
		silence := make([]int16, 5*48000)
		var sent [2]int
		for i, dtx := range []bool{false, true} {
			for _, p := range packets(t, encoder(t, 48000, opus.Params{DTX: dtx}), silence, ms) {
				if len(p) > 0 {
					sent[i]++
				}
			}
		}
		if sent[0] != len(silence)/(48*ms) {
			t.Errorf("%d ms: without DTX %d packets were sent", ms, sent[0])
		}
		if sent[1] == 0 || sent[1] > sent[0]/4 {
			t.Errorf("%d ms: with DTX %d packets of %d were sent", ms, sent[1], sent[0])
		}
	}
}

// TestRecoverFindsTheCopy: with FEC and loss a lost packet's sound is found in
// the next one, and is nearer to the truth than what is made up. Without, there
// is none.
func TestRecoverFindsTheCopy(t *testing.T) {
	pcm := changing(16000)
	for _, fec := range []bool{true, false} {
		e := encoder(t, 16000, opus.Params{FEC: fec})
		e.Adapt(0.2)
		all := packets(t, e, pcm, 20)
		d, whole := decoder(t, 16000), decoder(t, 16000)
		truth, dst := make([]int16, 320), make([]int16, 320)
		found, missed, madeUp := 0, 0.0, 0.0
		for i := 0; i+1 < len(all); i++ {
			mustDecode(t, whole, truth, all[i])
			if i%5 != 4 {
				mustDecode(t, d, dst, all[i])
				continue
			}
			other := decoder(t, 16000) // what would be made up
			for _, p := range all[:i] {
				mustDecode(t, other, dst, p)
			}
			if n, err := other.Conceal(dst); err != nil || n != len(dst) {
				t.Fatal(n, err)
			}
			madeUp += distance(dst, truth)
			n, err := d.Recover(dst, all[i+1])
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				if _, err = d.Conceal(dst); err != nil {
					t.Fatal(err)
				}
				continue
			}
			found++
			missed += distance(dst, truth)
		}
		switch {
		case fec && (found < 5 || missed > madeUp/2):
			t.Errorf("found %d copies; distance %.0f, made up %.0f", found, missed, madeUp)
		case !fec && found > 0:
			t.Errorf("found %d copies where there are none", found)
		}
	}
}

// changing is voice whose pitch jumps, so that the past does not tell it.
func changing(n int) []int16 {
	pcm := make([]int16, n)
	phase := 0.0
	for i := range pcm {
		phase += 2 * math.Pi * float64(120+40*(i/700%5)) / 16000
		for h := 1.0; h <= 12; h++ {
			pcm[i] += int16(3000 * math.Sin(phase*h) / h)
		}
	}
	return pcm
}

func mustDecode(t *testing.T, d *opus.Decoder, dst []int16, payload []byte) {
	t.Helper()
	if _, err := d.Decode(dst, payload); err != nil {
		t.Fatal(err)
	}
}

func distance(a, b []int16) float64 {
	var sum float64
	for i := range a {
		x := float64(a[i]) - float64(b[i])
		sum += x * x
	}
	return sum
}

// TestConcealFillsAnyLengthAndFades.
func TestConcealFillsAnyLengthAndFades(t *testing.T) {
	for _, rate := range []int{8000, 48000} {
		d, dst, said := decoder(t, rate), make([]int16, rate/50), voice(rate, rate)
		for _, p := range packets(t, encoder(t, rate, opus.Params{}), said, 20) {
			mustDecode(t, d, dst, p)
		}
		if n, err := d.Conceal(dst); n != len(dst) || err != nil || energy(dst) < energy(said)/20 {
			t.Errorf("first: %d samples, %v, energy %.0f", n, err, energy(dst))
		}
		for _, n := range []int{1, 19, 20, 21, rate/100 + 7, 6 * rate / 100} {
			dst := make([]int16, n)
			if got, err := d.Conceal(dst); got != n || err != nil {
				t.Errorf("%d of %d samples, %v", got, n, err)
			}
		}
		for range 50 {
			_, _ = d.Conceal(dst)
		}
		if energy(dst) > energy(said)/100 { // 20 dB down
			t.Errorf("after a second energy is %.0f of %.0f", energy(dst), energy(said))
		}
	}
}

// TestCloneGoesOnAlike: the copy says the same and does not disturb the first.
func TestCloneGoesOnAlike(t *testing.T) {
	pcm := voice(48000, 48000)
	a := encoder(t, 48000, opus.Params{})
	packets(t, a, pcm[:24000], 20)
	b := a.Clone()
	packets(t, a.Clone(), make([]int16, 48000), 20)
	if d := cmp.Diff(packets(t, a, pcm[24000:], 20), packets(t, b, pcm[24000:], 20)); d != "" {
		t.Error(d)
	}
}

// TestReceiverBoundsAreKept.
func TestReceiverBoundsAreKept(t *testing.T) {
	size := func(p opus.Params) (sum int) {
		for _, payload := range packets(t, encoder(t, 48000, p), voice(48000, 96000), 20) {
			sum += len(payload)
		}
		return sum * 8 / 2
	}
	if got := size(opus.Params{MaxBitrate: 8000, MaxRate: 8000}); got > 9000 {
		t.Errorf("%d bit/s where 8000 are allowed", got)
	}
	if wide, narrow := size(opus.Params{}), size(opus.Params{MaxRate: 8000}); narrow > wide/2 {
		t.Errorf("a receiver that hears 4 kHz is sent %d bit/s, others %d", narrow, wide)
	}
	var lengths []int
	for _, payload := range packets(t, encoder(t, 48000, opus.Params{CBR: true}), voice(48000, 96000), 20)[10:] {
		lengths = append(lengths, len(payload))
	}
	for _, n := range lengths {
		if n != lengths[0] {
			t.Fatalf("cbr: lengths differ: %v", lengths)
		}
	}
}

func TestParams(t *testing.T) {
	cases := map[string]opus.Params{
		"":                               {MaxRate: 48000},
		"useinbandfec=1; usedtx=1;cbr=1": {FEC: true, DTX: true, CBR: true, MaxRate: 48000},
		"maxplaybackrate=16000; maxaveragebitrate=20000":        {MaxRate: 16000, MaxBitrate: 20000},
		"MaxPlaybackRate=8000":                                  {MaxRate: 8000},
		"maxplaybackrate=1;maxaveragebitrate=1":                 {MaxRate: 8000, MaxBitrate: 6000},
		"maxaveragebitrate=999999999; minptime=10;useinbandfec": {MaxRate: 48000, MaxBitrate: 510000},
		"usedtx=x;;=;maxplaybackrate=":                          {MaxRate: 48000},
	}
	for fmtp, want := range cases {
		if d := cmp.Diff(want, opus.ParseParams(fmtp)); d != "" {
			t.Errorf("%q: %s", fmtp, d)
		}
	}
	for rate, want := range map[int]int{0: 48000, 8000: 8000, 8001: 12000, 16000: 16000, 32000: 48000, 44100: 48000, 48000: 48000, 96000: 48000} {
		if got := opus.Near(rate); got != want {
			t.Errorf("near %d: %d", rate, got)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	e, d := encoder(t, 48000, opus.Params{FEC: true}), decoder(t, 48000)
	pcm, payload, dst := voice(48000, 960), make([]byte, 1500), make([]int16, 960)
	loss := 0.0
	if allocs := testing.AllocsPerRun(100, func() {
		n, _ := e.Encode(payload, pcm)
		_, _ = d.Decode(dst, payload[:n])
		_, _ = d.Conceal(dst)
		_, _ = d.Recover(dst, payload[:n])
		loss += 0.01
		e.Adapt(loss)
	}); allocs != 0 {
		t.Errorf("%v allocations a packet", allocs)
	}
}

// FuzzDecode: whatever comes, nothing is written beyond dst, and decoding,
// concealing and recovering go on afterwards.
func FuzzDecode(f *testing.F) {
	for _, p := range packets(f, encoder(f, 48000, opus.Params{FEC: true}), voice(48000, 9600), 20) {
		f.Add(p, uint16(960))
	}
	f.Add([]byte{0x03, 0x3f, 0xff}, uint16(5760))
	good := packets(f, encoder(f, 48000, opus.Params{}), voice(48000, 960), 20)[0]
	f.Fuzz(func(t *testing.T, payload []byte, room uint16) {
		const guard = 12345
		pcm := make([]int16, int(room)+8)
		for i := range pcm[room:] {
			pcm[int(room)+i] = guard
		}
		d := decoder(t, 48000)
		n, _ := d.Recover(pcm[:room], payload)
		m, _ := d.Decode(pcm[:room], payload)
		k, _ := d.Conceal(pcm[:room])
		if max(n, m, k) > int(room) || min(n, m, k) < 0 {
			t.Fatalf("%d, %d and %d samples in room for %d", n, m, k, room)
		}
		for i, s := range pcm[room:] {
			if s != guard {
				t.Fatalf("sample %d beyond the room was written", i)
			}
		}
		if n, err := d.Decode(make([]int16, 960), good); n != 960 || err != nil {
			t.Fatalf("afterwards %d samples, %v", n, err)
		}
	})
}

func BenchmarkEncode20ms(b *testing.B) {
	for _, rate := range []int{8000, 16000, 48000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			e, pcm, payload := encoder(b, rate, opus.Params{}), voice(rate, rate), make([]byte, 1500)
			b.ReportAllocs()
			for i := 0; b.Loop(); i = (i + 1) % 50 {
				_, _ = e.Encode(payload, pcm[i*rate/50:][:rate/50])
			}
		})
	}
}

func BenchmarkDecode20ms(b *testing.B) {
	for _, rate := range []int{8000, 16000, 48000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			all := packets(b, encoder(b, 48000, opus.Params{}), voice(48000, 48000), 20)
			d, dst := decoder(b, rate), make([]int16, rate/50)
			b.ReportAllocs()
			for i := 0; b.Loop(); i = (i + 1) % len(all) {
				_, _ = d.Decode(dst, all[i])
			}
		})
	}
}
