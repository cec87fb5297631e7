package media

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tincan/phone/codec"
	"tincan/phone/codec/g711"
	"tincan/phone/media/rtp"
)

// needsCleaning skips a test where the library is missing.
func needsCleaning(t *testing.T) {
	t.Helper()
	if !CanClean() {
		t.Skip("this build lacks libspeexdsp")
	}
}

// table is a phone on a table: what its loudspeaker says comes back some time
// later, with its reflections, beside what is said to it.
type table struct {
	*phone
	player *player
	first  int       // samples until the first reflection
	taps   []float64 // of the reflections, one each so many samples
	played []float64
	spoken int
}

// apart are the reflections, in samples.
const apart = 5

func newTable(t *testing.T, p *phone, later time.Duration) *table {
	first := samplesIn(later, 8000)
	r, taps := rand.New(rand.NewPCG(9, 9)), make([]float64, 8*50/apart)
	for i := range taps {
		age := float64(i*apart) / 8000
		taps[i] = 0.25 * r.NormFloat64() * math.Exp(-age/0.012)
	}
	return &table{phone: p, player: newPlayer(t, p.format), first: first, taps: taps}
}

// turn plays what has come, and says 20 ms of what the microphone hears, and own.
func (b *table) turn(t *testing.T, own []int16) {
	t.Helper()
	b.player.pcm = b.player.pcm[:0]
	b.player.hear(t, b.heard())
	for _, v := range b.player.pcm {
		b.played = append(b.played, float64(v))
	}
	pcm := make([]int16, 160)
	for i := range pcm {
		sum := 0.0
		for n, tap := range b.taps {
			if at := b.spoken + i - b.first - n*apart; at >= 0 && at < len(b.played) {
				sum += tap * b.played[at]
			}
		}
		pcm[i] = clip(int32(sum))
		if own != nil {
			pcm[i] = clip(int32(sum) + int32(own[i]))
		}
	}
	b.spoken += len(pcm)
	b.say(pcm)
}

// babble is something like speech: noise in a low band, by syllables.
func babble(seed uint64, n int, peak float64) []int16 {
	r, pcm, x := rand.New(rand.NewPCG(seed, 1)), make([]int16, n), 0.0
	smooth := math.Exp(-2 * math.Pi * 1500 / 8000)
	for i := range pcm {
		x = smooth*x + (1-smooth)*r.NormFloat64()
		pcm[i] = int16(peak * x * max(0.05, math.Sin(2*math.Pi*3*float64(i)/8000)))
	}
	return pcm
}

func levelOf(pcm []int16) float64 { return 10 * math.Log10(max(meanSquare(pcm), 1e-3)) }

// cleanly gives a phone's remote whose sound is cleaned.
func cleanly(p *phone, c Clean, formats ...codec.Format) {
	r := p.remote(formats...)
	r.Clean = c
	p.flow.Configure(r)
}

// echoing is a call of 12 s with a phone on a table; in the last 2 s both speak.
type echoing struct {
	way   string
	later time.Duration // by which the echo comes
	// late is by how much each packet of the far party may be.
	late time.Duration
}

// levels gives, in dB, what the far party hears of the echo, and when both speak.
func (x echoing) levels(t *testing.T, c Clean) (echo, both float64) {
	t.Helper()
	const packets, alone = 12 * 50, 10 * 50
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", pcmu)
		cleanly(b, c, pcmu)
		x.join(e, a, b)
		table, heard, r := newTable(t, b, x.later), newPlayer(t, linear), rand.New(rand.NewPCG(1, 2))
		says, own := babble(1, packets*160, 12000), babble(2, packets*160, 6000)
		for i := range packets {
			late := time.Duration(r.Int64N(int64(x.late) + 1))
			time.Sleep(late)
			a.say(says[i*160 : (i+1)*160])
			time.Sleep(x.late - late)
			if i < alone {
				table.turn(t, nil)
			} else {
				table.turn(t, own[i*160:(i+1)*160])
			}
			time.Sleep(20*time.Millisecond - x.late)
		}
		heard.hear(t, a.heard())
		second := func(from, to int) float64 { return levelOf(heard.pcm[from*8000 : min(to*8000, len(heard.pcm))]) }
		echo, both = second(5, 10), second(10, 12)-levelOf(own[alone*160:])
	})
	return echo, both
}

func (x echoing) join(e *Engine, a, b *phone) {
	switch x.way {
	case "conference":
		m := NewMixer(e, MixerConfig{})
		Join(a.flow, m.Seat(SeatOptions{}))
		Join(b.flow, m.Seat(SeatOptions{}))
	case "mix":
		Join(a.flow, b.flow).Need(WayMix)
	default:
		Join(a.flow, b.flow)
	}
}

// The echo of a phone on a table goes, whatever carries the call, and who speaks
// there is heard.
func TestEchoIsTakenOut(t *testing.T) {
	needsCleaning(t)
	for _, way := range []string{"transcode", "mix", "conference"} {
		for _, x := range []echoing{
			{way, 60 * time.Millisecond, 0},
			{way, 120 * time.Millisecond, 18 * time.Millisecond},
			{way, 200 * time.Millisecond, 0},
		} {
			t.Run(fmt.Sprintf("%s %v later, jitter %v", way, x.later, x.late), func(t *testing.T) {
				before, _ := x.levels(t, Clean{})
				after, both := x.levels(t, Clean{Echo: true})
				t.Logf("echo of %.1f dB becomes %.1f dB, ERLE %.1f dB; when both speak the voice is %+.1f dB", before, after, before-after, both)
				if before-after < 20 {
					t.Errorf("the echo gets only %.1f dB fainter", before-after)
				}
				if math.Abs(both) > 6 {
					t.Errorf("when both speak, the voice is %+.1f dB", both)
				}
			})
		}
	}
}

// Only what must be decoded is: the direction that is cleaned, and for an echo
// what the party hears too.
func TestCleaningCostsWhatItMust(t *testing.T) {
	needsCleaning(t)
	for _, c := range []struct {
		clean      Clean
		there, way bool // from the party, and to it, decoded
	}{
		{Clean{}, false, false},
		{Clean{Level: true}, true, false},
		{Clean{Noise: true}, true, false},
		{Clean{Echo: true}, true, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newTestEngine(t, Config{})
			a, b := newPhone(t, e, "1.1.1.1", pcmu), newPhone(t, e, "2.2.2.2", pcmu)
			bridge := Join(a.flow, b.flow)
			cleanly(b, c.clean, pcmu)
			bridge.Reconfigured()
			if there, way := !bridge.paths[1].relayed, !bridge.paths[0].relayed; there != c.there || way != c.way {
				t.Errorf("%+v: decoded from the party %v, to it %v", c.clean, there, way)
			}
			cleanly(b, Clean{}, pcmu)
			if bridge.Reconfigured(); bridge.Way() != WayRelay {
				t.Errorf("%+v: way %v when nothing is asked for any more", c.clean, bridge.Way())
			}
		})
	}
}

// What cannot be decoded is handed on as it is: a call matters more than its
// sound.
func TestWhatCannotBeCleanedIsRelayed(t *testing.T) {
	needsCleaning(t)
	amr := codec.Format{PT: 100, Name: "amr", Clock: 8000, Channels: 1}
	for _, pinned := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			format := amr
			if pinned {
				format = pcmu
			}
			e := newTestEngine(t, Config{})
			a, b := newPhone(t, e, "1.1.1.1", format), newPhone(t, e, "2.2.2.2", format)
			for _, p := range []*phone{a, b} {
				r := p.remote(format)
				r.Pinned, r.Inband, r.Clean = pinned, true, Clean{Echo: true, Noise: true}
				p.flow.Configure(r)
			}
			if bridge := Join(a.flow, b.flow); bridge.Err() != nil || bridge.Way() != WayRelay {
				t.Errorf("way %v, %v", bridge.Way(), bridge.Err())
			}
		})
	}
}

// Voices of all loudnesses come out alike, and noise fainter.
func TestLevelAndNoiseOfAParty(t *testing.T) {
	needsCleaning(t)
	heard := func(c Clean, says []int16) (dB float64) {
		synctest.Test(t, func(t *testing.T) {
			e := newTestEngine(t, Config{})
			a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", pcmu)
			cleanly(b, c, pcmu)
			Join(a.flow, b.flow)
			for i := 0; i+160 <= len(says); i += 160 {
				b.say(says[i : i+160])
				time.Sleep(20 * time.Millisecond)
			}
			l := newPlayer(t, linear)
			l.hear(t, a.heard())
			dB = levelOf(l.pcm[len(l.pcm)*3/4:])
		})
		return dB
	}
	const n = 20 * 8000
	faint, loud := heard(Clean{Level: true}, babble(3, n, 2000)), heard(Clean{Level: true}, babble(3, n, 16000))
	if d := loud - faint; d > 9 {
		t.Errorf("voices that were 18 dB apart still are %.1f dB", d)
	}
	hiss, r := make([]int16, 5*8000), rand.New(rand.NewPCG(1, 1))
	for i := range hiss {
		hiss[i] = int16(300 * r.NormFloat64())
	}
	if less := heard(Clean{}, hiss) - heard(Clean{Noise: true}, hiss); less < 10 {
		t.Errorf("noise gets only %.1f dB fainter", less)
	}
}

// Packets of any length are cleaned whole, and nothing is lost of them.
func TestCleanedPiecesOfAnyLength(t *testing.T) {
	needsCleaning(t)
	rapid.Check(t, func(r *rapid.T) {
		c, in, out := newCleaner(8000, Clean{Echo: true}, nil), 0, 0
		for range rapid.IntRange(1, 50).Draw(r, "pieces") {
			pcm := make([]int16, rapid.IntRange(0, 960).Draw(r, "samples"))
			switch rapid.IntRange(0, 3).Draw(r, "then") {
			case 0:
				c.far.put(pcm)
			case 1:
				c.far.hush(len(pcm) * 100)
			case 2:
				c.pause()
			default:
				in += len(pcm)
				out += len(c.stream(pcm))
			}
			if in-out < 0 || in-out >= 160 {
				r.Fatalf("%d samples in, %d out", in, out)
			}
			if waits := len(c.far.pcm); waits > c.far.most {
				r.Fatalf("%d samples of the far end wait", waits)
			}
		}
	})
}

func TestCleaningAllocatesNothing(t *testing.T) {
	needsCleaning(t)
	if underRace {
		t.Skip("the race detector makes pools forget")
	}
	all := Clean{Echo: true, Level: true, Noise: true}
	t.Run("transcode", func(t *testing.T) {
		deliver := idleCall(t, all)
		for range 200 {
			deliver()
		}
		if n := testing.AllocsPerRun(200, deliver); n != 0 {
			t.Errorf("%v allocations a packet each way", n)
		}
	})
	t.Run("mix", func(t *testing.T) {
		deliver, tick := idleRoom(t, 6, 3, all)
		round := func() { deliver(); tick() }
		for range 200 {
			round()
		}
		if n := testing.AllocsPerRun(200, round); n != 0 {
			t.Errorf("%v allocations a tick", n)
		}
	})
}

// idleCall is a call without sockets, of two whose sound is cleaned: it delivers a
// packet of each.
func idleCall(t testing.TB, c Clean) (deliver func()) {
	t.Helper()
	e := newIdleEngine(t)
	var flows [2]*RTP
	for i := range flows {
		r, err := e.Open(Audio, loopback, 0, Events{})
		if err != nil {
			t.Fatal(err)
		}
		r.sock = &idleSocket{from: netip.AddrPortFrom(loopback, 9), data: make([]byte, 172)}
		r.Configure(Remote{RTP: netip.AddrPortFrom(loopback, 9), Direction: SendRecv, Formats: testFormats, Clean: c})
		for j, v := range babble(uint64(i), 160, 12000) {
			r.sock.(*idleSocket).data[rtp.HeaderLen+j] = g711.EncodeMu(v)
		}
		flows[i] = r
	}
	Join(flows[0], flows[1])
	seq, buf := uint16(0), make([]byte, 2000)
	return func() {
		for i, r := range flows {
			data := r.sock.(*idleSocket).data
			rtp.Put(data, rtp.Header{Seq: seq, Time: uint32(seq) * 160, SSRC: uint32(i)})
			r.Readable(false, buf)
		}
		seq++
	}
}

func newIdleEngine(t testing.TB) *Engine {
	t.Helper()
	e, err := NewEngine(Config{First: 10000, Last: 10100, Network: fakeNetwork{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// BenchmarkClean is a packet each way, cleaned both ways.
func BenchmarkClean(b *testing.B) {
	for name, c := range map[string]Clean{
		"nothing": {}, "echo": {Echo: true}, "level and noise": {Level: true, Noise: true}, "all": {Echo: true, Level: true, Noise: true},
	} {
		b.Run(name, func(b *testing.B) {
			deliver := idleCall(b, c)
			b.ReportAllocs()
			for b.Loop() {
				deliver()
			}
		})
	}
}
