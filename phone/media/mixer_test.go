package media

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
	"tincan/phone/media/udp"
)

// room is a conference of phones, each with a call to its seat.
type room struct {
	*Mixer
	phones  []*phone
	seats   []*Seat
	bridges []*Bridge
}

func newRoom(t *testing.T, e *Engine, c MixerConfig, formats ...codec.Format) *room {
	t.Helper()
	r := &room{Mixer: NewMixer(e, c)}
	for i, f := range formats {
		host := netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(1 + i%250)})
		p, s := newPhone(t, e, host.String(), f), r.Seat(SeatOptions{})
		b := Join(p.flow, s)
		if b.Err() != nil {
			t.Fatal(b.Err())
		}
		r.phones, r.seats, r.bridges = append(r.phones, p), append(r.seats, s), append(r.bridges, b)
	}
	return r
}

// Listeners share one encoder; one who begins to speak gets a copy of it and
// gives it back, and its own line goes on without a jump. Of G.722 the shared encoder
// does not know quite what the copy knew, which is heard for a packet, more or less by
// chance: many voices are tried.
func TestListenersShareASpeech(t *testing.T) {
	for _, f := range []codec.Format{linear, g722, opus} {
		for _, hz := range []float64{500, 700, 900, 1000, 1100} {
			t.Run(fmt.Sprintf("%v beside %v Hz", f, hz), func(t *testing.T) { listenersShare(t, f, hz) })
		}
	}
}

func listenersShare(t *testing.T, f codec.Format, hz float64) {
	if _, err := codec.NewEncoder(f); err != nil {
		t.Skip(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, newTestEngine(t, Config{}), MixerConfig{}, f, f, f, f)
		first, second := newTalker(t, r.phones[0], 440), newTalker(t, r.phones[1], hz)
		heard := newPlayer(t, f)
		time.Sleep(time.Millisecond)
		for i := range 300 {
			first.speak()
			if i >= 50 && i < 100 { // the second speaks for a second, then is silent
				second.speak()
			}
			time.Sleep(20 * time.Millisecond)
			if i == 40 || i == 290 {
				own := 0
				r.mu.Lock()
				for _, s := range r.seats {
					if s.mouth.voice != nil {
						own++
					}
				}
				if own != 1 || len(r.groups) != 1 {
					t.Errorf("after %d packets %d have speeches of their own, %d groups", i, own, len(r.groups))
				}
				r.mu.Unlock()
			}
		}
		heard.hear(t, r.phones[1].heard())
		if len(heard.gaps) != 0 {
			t.Errorf("gaps %v", heard.gaps)
		}
		rate := heard.decoder.Rate()
		worst, at := residual(heard.pcm[rate:], 440, rate)
		if limit := map[string]float64{"l16": -60, "g722": -20, "opus": -15}[f.Name]; worst > limit {
			t.Errorf("%.1f dB beside the other's sine, at %d of %d", worst, at, len(heard.pcm)-rate)
		}
	})
}

func TestMuteDeafenGainVolume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, newTestEngine(t, Config{}), MixerConfig{}, linear, linear, linear)
		a, b := newTalker(t, r.phones[0], 440), newTalker(t, r.phones[1], 900)
		level := func(what string, want float64, hz float64, listener int) {
			t.Helper()
			for _, p := range r.phones {
				p.heard()
			}
			for range 30 {
				a.speak()
				b.speak()
				time.Sleep(20 * time.Millisecond)
			}
			l := newPlayer(t, linear)
			l.hear(t, r.phones[listener].heard())
			got := 20*math.Log10(max(toneLevel(l.pcm[1600:], hz, 8000), 1)/32767) + 9
			if math.Abs(got-want) > .5 && !(want < -60 && got < -60) {
				t.Errorf("%s: %.1f dB, want %.1f", what, got, want)
			}
		}
		level("as it is", 0, 440, 2)
		r.seats[0].Mute(true)
		level("muted", -90, 440, 2)
		level("another", 0, 900, 2)
		r.seats[0].Mute(false)
		r.seats[0].Gain(-6)
		level("gain", -6, 440, 2)
		r.seats[2].Volume(6)
		level("gain and volume", 0, 440, 2)
		level("who speaks hears as before", -6, 440, 1)
		r.seats[2].Deafen(true)
		level("deafened", -90, 900, 2)
		r.seats[2].Deafen(false)
		level("no longer", 6, 900, 2)
	})
}

// Levelling brings a faint and a loud voice together, shuts out noise, and
// tells who speaks.
func TestLevelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := map[*Seat][]bool{}
		r := newRoom(t, newTestEngine(t, Config{}), MixerConfig{
			Leveled:  true,
			Speaking: func(s *Seat, on bool) { told[s] = append(told[s], on) },
		}, linear, linear, linear, linear)
		faint, strong := sine(440, -30, 8000), sine(900, -6, 8000)
		noise := rand.New(rand.NewPCG(1, 2))
		l := newPlayer(t, linear)
		for i := range 1000 {
			hum := make([]int16, 160)
			for j := range hum {
				hum[j] = int16(noise.IntN(120) - 60) // -59 dB
			}
			r.phones[2].say(hum)
			if i < 900 { // in turns, two seconds each
				if i/100%2 == 0 {
					r.phones[0].say(faint(160))
				} else {
					r.phones[1].say(strong(160))
				}
			}
			time.Sleep(20 * time.Millisecond)
			if i == 600 {
				r.phones[3].heard()
			}
		}
		l.hear(t, r.phones[3].heard())
		low, high := toneLevel(l.pcm[1600:14400], 440, 8000), toneLevel(l.pcm[17600:30400], 900, 8000)
		if apart := 20 * math.Log10(high/low); apart > 15 || apart < -3 {
			t.Errorf("24 dB apart they are mixed %.1f dB apart (%.0f, %.0f)", apart, low, high)
		}
		if rest := meanAmplitude(l.pcm[len(l.pcm)-4000:]); rest != 0 {
			t.Errorf("a room in which nobody speaks is heard at %d", rest)
		}
		if n := told[r.seats[0]]; len(n) != 10 || !n[0] || n[len(n)-1] {
			t.Errorf("told of the faint one %v", n)
		}
		if len(told[r.seats[2]]) != 0 {
			t.Errorf("noise is told as speech: %v", told[r.seats[2]])
		}
	})
}

// Many loud voices at once are turned down, not cut.
func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, newTestEngine(t, Config{}), MixerConfig{}, slices.Repeat([]codec.Format{linear}, 5)...)
		says := sine(440, -3, 8000)
		for range 50 {
			pcm := says(160)
			for i := range 4 {
				r.phones[i].say(pcm)
			}
			time.Sleep(20 * time.Millisecond)
		}
		l := newPlayer(t, linear)
		l.hear(t, r.phones[4].heard())
		if worst, _ := residual(l.pcm[1600:], 440, 8000); worst > -30 {
			t.Errorf("four voices at -3 dB: %.1f dB of distortion", worst)
		}
	})
}

func TestAnnouncementsAndTaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, newTestEngine(t, Config{}), MixerConfig{}, pcmu, linear)
		var taken []int16
		tap, err := r.Tap(Tap{Take: func(pcm []int16) { taken = append(taken, pcm...) }})
		if err != nil {
			t.Fatal(err)
		}
		tone, done := sine(1000, -9, 8000), 0
		if _, err = r.Play(Source{Next: func(pcm []int16) bool { copy(pcm, tone(len(pcm))); return true }, Done: func() { done++ }}); err != nil {
			t.Fatal(err)
		}
		whisper := sine(600, -9, 8000)
		p, err := r.seats[1].Say(Source{Next: func(pcm []int16) bool { copy(pcm, whisper(len(pcm))); return true }, Done: func() { done++ }})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		p.Stop()
		time.Sleep(100 * time.Millisecond)
		r.Close()
		first, second := newPlayer(t, pcmu), newPlayer(t, linear)
		first.hear(t, r.phones[0].heard())
		second.hear(t, r.phones[1].heard())
		if toneLevel(first.pcm, 1000, 8000) < 9000 || toneLevel(second.pcm, 1000, 8000) < 9000 || toneLevel(taken, 1000, 8000) < 9000 {
			t.Error("not all hear the announcement")
		}
		if toneLevel(first.pcm, 600, 8000) > 300 || toneLevel(second.pcm[:3200], 600, 8000) < 9000 {
			t.Error("what one is told is heard by others, or not by that one")
		}
		n := len(taken)
		tap.Close()
		if done != 2 || n == 0 {
			t.Errorf("told %d times of an end, %d samples", done, n)
		}
	})
}

// Once warm, neither a packet into a mix nor a tick allocates.
func TestMixAllocatesNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector makes pools forget")
	}
	deliver, tick := idleRoom(t, 12, 4, Clean{})
	round := func() { deliver(); tick() }
	for range 200 {
		round()
	}
	if n := testing.AllocsPerRun(200, round); n != 0 {
		t.Errorf("%v allocations a tick", n)
	}
}

// idleRoom is a mixer whose clock is the test's, on one core, of phones that
// forget what they get, some of whom speak, all cleaned likewise.
func idleRoom(t testing.TB, phones, speakers int, c Clean) (deliver, tick func()) {
	t.Helper()
	e, err := NewEngine(Config{First: 10000, Last: 20000, Network: fakeNetwork{}})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMixer(e, MixerConfig{Rate: 8000, Leveled: true})
	var flows []*RTP
	for range phones {
		r, err := e.Open(Audio, loopback, 0, Events{})
		if err != nil {
			t.Fatal(err)
		}
		r.sock = &idleSocket{from: netip.AddrPortFrom(loopback, 9), data: make([]byte, 172)}
		r.Configure(Remote{RTP: netip.AddrPortFrom(loopback, 9), Direction: SendRecv, Formats: testFormats, Clean: c})
		Join(r, m.Seat(SeatOptions{}))
		flows = append(flows, r)
	}
	close(e.stop)
	e.sweeper.Wait()
	e.pacer.close()
	seq, buf, due := uint16(0), make([]byte, udp.MaxDatagram), e.Now()
	voice, encoder := sine(440, -12, 8000), must(codec.NewEncoder(pcmu))
	deliver = func() {
		e.epoch = time.Now().Add(-due) // the engine's clock is ours
		for i, r := range flows {
			data := r.sock.(*idleSocket).data
			rtp.Put(data, rtp.Header{Seq: seq, Time: uint32(seq) * 160, SSRC: uint32(i)})
			if i < speakers {
				_, _ = encoder.Encode(data[rtp.HeaderLen:], voicePacket)
			}
			r.Readable(false, buf)
		}
		seq++
	}
	copy(voicePacket, voice(160))
	return deliver, func() { due += tickEvery; m.tick(due) }
}

var voicePacket = make([]int16, 160)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// benchmarkRoom gives the time a packet in, of all that comes with it.
func benchmarkRoom(b *testing.B, phones, speakers int) {
	deliver, tick := idleRoom(b, phones, speakers, Clean{})
	for b.Loop() {
		deliver()
		tick()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*phones), "ns/packet")
}

func BenchmarkMix30(b *testing.B)  { benchmarkRoom(b, 30, 30) }
func BenchmarkMix120(b *testing.B) { benchmarkRoom(b, 120, 120) }

func BenchmarkMix500Listeners20Speakers(b *testing.B) { benchmarkRoom(b, 520, 20) }
