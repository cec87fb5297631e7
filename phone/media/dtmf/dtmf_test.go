package dtmf_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tincan/phone/codec/g711"
	"tincan/phone/media/dtmf"
)

const all = "123A456B789C*0#D"

const ms = time.Millisecond

func detector(t testing.TB, rate int) *dtmf.Detector {
	t.Helper()
	d, err := dtmf.NewDetector(rate)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// found gives the keys that went down in pcm, heard in packets of 20 ms, with
// silence after it.
func found(t testing.TB, rate int, pcm []int16) string {
	t.Helper()
	d, keys, held := detector(t, rate), "", rune(0)
	var events []dtmf.Event
	for piece := range slices.Chunk(append(pcm, make([]int16, rate/10)...), rate/50) {
		events = d.Append(events, piece)
	}
	for _, e := range events {
		switch {
		case e.Down && held == 0:
			keys, held = keys+string(e.Key), e.Key
		case !e.Down && held == e.Key:
			held = 0
		default:
			t.Fatalf("%v while %q is held", e, held)
		}
	}
	if held != 0 {
		t.Fatalf("%q is never let go", held)
	}
	return keys
}

// signal is a test signal in the terms of Q.24.
type signal struct {
	row, column float64 // levels in dBm0
	off         float64 // by which both frequencies are wrong, as a share
	on, pause   time.Duration
}

// usual is in the middle of what must be heard.
var usual = signal{row: -10, column: -10, on: 60 * ms, pause: 60 * ms}

var frequencies = map[rune][2]float64{
	'1': {697, 1209}, '2': {697, 1336}, '3': {697, 1477}, 'A': {697, 1633},
	'4': {770, 1209}, '5': {770, 1336}, '6': {770, 1477}, 'B': {770, 1633},
	'7': {852, 1209}, '8': {852, 1336}, '9': {852, 1477}, 'C': {852, 1633},
	'*': {941, 1209}, '0': {941, 1336}, '#': {941, 1477}, 'D': {941, 1633},
}

// play gives all keys after a silence of some samples, so that they fall
// anywhere between looks, through G.711. It is made here and not by Tone, which
// is never off.
func (s signal) play(shift int) []int16 {
	pcm := make([]int16, 400+shift)
	gain := func(level float64) float64 { return 32767 * math.Pow(10, (level-3.14)/20) }
	for _, key := range all {
		f := frequencies[key]
		for i := range int(s.on * 8 / ms) {
			at := 2 * math.Pi * (1 + s.off) * float64(i) / 8000
			x := gain(s.row)*math.Sin(f[0]*at) + gain(s.column)*math.Sin(f[1]*at+1)
			pcm = append(pcm, g711.DecodeA(g711.EncodeA(int16(min(max(x, -32768), 32767)))))
		}
		pcm = append(pcm, make([]int16, int(s.pause*8/ms))...)
	}
	return pcm
}

// TestWhatMustBeHeard goes to the bounds that Q.24 sets for exchanges.
func TestWhatMustBeHeard(t *testing.T) {
	with := func(change func(*signal)) signal { s := usual; change(&s); return s }
	cases := map[string]signal{
		"in the middle":          usual,
		"high by 1.5 %":          with(func(s *signal) { s.off = 0.015 }),
		"low by 1.5 %":           with(func(s *signal) { s.off = -0.015 }),
		"row louder by 8 dB":     with(func(s *signal) { s.column -= 8 }),
		"column louder by 4 dB":  with(func(s *signal) { s.row -= 4 }),
		"at 0 dBm0":              with(func(s *signal) { s.row, s.column = 0, 0 }),
		"at -25 dBm0":            with(func(s *signal) { s.row, s.column = -25, -25 }),
		"at -25 dBm0 and -33":    with(func(s *signal) { s.row, s.column = -25, -33 }),
		"short, off and twisted": with(func(s *signal) { s.on, s.pause, s.off, s.column = 40*ms, 40*ms, 0.015, -18 }),
		"short, off, other way":  with(func(s *signal) { s.on, s.pause, s.off, s.row = 40*ms, 40*ms, -0.015, -14 }),
		"40 ms, 40 ms apart":     with(func(s *signal) { s.on, s.pause = 40*ms, 40*ms }),
		"long":                   with(func(s *signal) { s.on, s.pause = 3*time.Second, time.Second }),
	}
	for name, s := range cases {
		t.Run(name, func(t *testing.T) {
			for shift := 0; shift < 64; shift += 5 {
				if got := found(t, 8000, s.play(shift)); got != all {
					t.Fatalf("%d samples later %q was heard", shift, got)
				}
			}
		})
	}
}

// TestWhatMustNotBeHeard goes to the other side of the bounds.
func TestWhatMustNotBeHeard(t *testing.T) {
	with := func(change func(*signal)) signal { s := usual; change(&s); return s }
	cases := map[string]signal{
		"high by 3.5 %":          with(func(s *signal) { s.off = 0.035 }),
		"low by 3.5 %":           with(func(s *signal) { s.off = -0.035 }),
		"row louder by 13 dB":    with(func(s *signal) { s.column -= 13 }),
		"column louder by 10 dB": with(func(s *signal) { s.row -= 10 }),
		"at -45 dBm0":            with(func(s *signal) { s.row, s.column = -45, -45 }),
		"20 ms":                  with(func(s *signal) { s.on = 20 * ms }),
	}
	for name, s := range cases {
		t.Run(name, func(t *testing.T) {
			for shift := 0; shift < 64; shift += 5 {
				if got := found(t, 8000, s.play(shift)); got != "" {
					t.Fatalf("%d samples later %q was heard", shift, got)
				}
			}
		})
	}
}

// TestShortInterruptionIsOneKey (Q.24: 10 ms).
func TestShortInterruptionIsOneKey(t *testing.T) {
	for shift := 0; shift < 64; shift += 5 {
		s := signal{row: -10, column: -8, on: 200 * ms, pause: 100 * ms}
		pcm := s.play(shift)
		for k := range len(all) {
			clear(pcm[400+shift+k*2400+800:][:80])
		}
		if got := found(t, 8000, pcm); got != all {
			t.Fatalf("%d samples later %q was heard", shift, got)
		}
	}
}

// TestKeysInNoise: 15 dB below the tones, and under a dial tone.
func TestKeysInNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 10 {
		pcm := usual.play(round * 7)
		for i := range pcm {
			pcm[i] += int16(r.NormFloat64() * 32767 * math.Pow(10, (-10+3-15-3.14)/20) / math.Sqrt2)
		}
		if got := found(t, 8000, pcm); got != all {
			t.Errorf("in noise %q was heard", got)
		}
	}
}

// TestOtherTonesAreNoKeys: one tone of a key, the tones of exchanges, music.
func TestOtherTonesAreNoKeys(t *testing.T) {
	for _, chord := range [][]float64{
		{697},
		{941},
		{1209},
		{1633},
		{350, 440},
		{440, 480},
		{480, 620},
		{425},
		{400, 450},
		{697, 770},
		{1209, 1477},
		{697, 1209, 1477},
		{770, 1336, 2004},
		{2100},
		{1100},
		{950, 1400, 1800},
		{820, 1270},
		{730, 1420},
	} {
		pcm := make([]int16, 8000)
		for i := range pcm {
			for _, hz := range chord {
				pcm[i] += int16(6000 * math.Sin(2*math.Pi*hz*float64(i)/8000))
			}
		}
		if got := found(t, 8000, pcm); got != "" {
			t.Errorf("%v Hz: %q was heard", chord, got)
		}
	}
}

// TestTonesAreHeardAtEveryRate, with the right times, in pieces of any length.
func TestTonesAreHeardAtEveryRate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rate := rapid.SampledFrom([]int{8000, 16000, 32000, 44100, 48000}).Draw(rt, "rate")
		key := rune(all[rapid.IntRange(0, len(all)-1).Draw(rt, "key")])
		length := time.Duration(rapid.IntRange(40, 400).Draw(rt, "ms")) * ms
		tone, err := dtmf.NewTone(rate, key, length, dtmf.RowLevel, dtmf.ColumnLevel)
		if err != nil {
			rt.Fatal(err)
		}
		pcm := make([]int16, rate)
		start := rapid.IntRange(0, rate/4).Draw(rt, "start")
		n := 0
		for m := 1; m > 0; n += m {
			m = tone.Read(pcm[start+n:][:rapid.IntRange(1, 999).Draw(rt, "piece")])
		}
		d, events := detector(t, rate), []dtmf.Event(nil)
		for rest := pcm; len(rest) > 0; {
			k := min(rapid.IntRange(1, 3000).Draw(rt, "packet"), len(rest))
			events, rest = d.Append(events, rest[:k]), rest[k:]
		}
		if len(events) != 2 || events[0].Key != key || !events[0].Down || events[1].Key != key || events[1].Down {
			rt.Fatalf("%q of %v at %d: %v", key, length, rate, events)
		}
		began, took := time.Duration(start)*time.Second/time.Duration(rate), events[1].At-events[0].At
		if (events[0].At-began).Abs() > 20*ms || (took-length).Abs() > 25*ms {
			rt.Fatalf("from %v for %v: %v", began, length, events)
		}
	})
}

func TestWhatIsNoToneIsAnError(t *testing.T) {
	if _, err := dtmf.NewTone(8000, 'x', 100*ms, -10, -10); err == nil {
		t.Error("x was taken for a key")
	}
	if _, err := dtmf.NewTone(8000, '1', 0, -10, -10); err == nil {
		t.Error("a tone of no length was made")
	}
	if _, err := dtmf.NewTone(3000, 'D', 100*ms, -10, -10); err == nil {
		t.Error("3000 Hz were enough")
	}
	if _, err := dtmf.NewDetector(0); err == nil {
		t.Error("0 Hz was taken")
	}
}

func TestNothingIsAllocated(t *testing.T) {
	d, pcm, events := detector(t, 48000), make([]int16, 960), make([]dtmf.Event, 0, 4)
	tone, _ := dtmf.NewTone(48000, '5', time.Hour, -10, -10)
	if n := testing.AllocsPerRun(100, func() {
		tone.Read(pcm)
		events = d.Append(events[:0], pcm)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// FuzzDetector: whatever is heard, a key that goes down goes up.
func FuzzDetector(f *testing.F) {
	f.Add([]byte("any sound"), uint8(3))
	f.Fuzz(func(t *testing.T, code []byte, repeat uint8) {
		var pcm []int16
		for range int(repeat) + 1 {
			for _, c := range code {
				pcm = append(pcm, g711.DecodeMu(c))
			}
		}
		if len(pcm) < 1<<17 {
			found(t, 8000, pcm)
		}
	})
}

func BenchmarkDetector20ms(b *testing.B) {
	for _, rate := range []int{8000, 16000, 48000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			d, pcm := detector(b, rate), make([]int16, rate/50)
			for i := range pcm {
				pcm[i] = int16(i * 77)
			}
			var events []dtmf.Event
			b.ReportAllocs()
			for b.Loop() {
				events = d.Append(events[:0], pcm)
			}
		})
	}
}
