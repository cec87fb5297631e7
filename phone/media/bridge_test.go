package media

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
)

// talk lets phones speak one packet each, every 20 ms of virtual time.
func talk(packets int, phones ...*phone) {
	for range packets {
		for _, p := range phones {
			p.speak()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestRelayIsTransparent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", pcmu, events), newPhone(t, e, "2.2.2.2", pcmu, events)
		bridge := Join(a.flow, b.flow)
		if bridge.Way() != WayRelay || bridge.Err() != nil {
			t.Fatalf("way %v, %v", bridge.Way(), bridge.Err())
		}
		b.speak() // so that the latch of b is closed
		in := a.packet(rtp.Header{PT: 0, Time: 77, Marker: true}, []byte("sound"))
		in[0] |= 1 << 5 // padding, to be kept as well
		in = append(in, 0, 2)
		a.send(false, a.addr, bytes.Clone(in))
		out := b.heard()
		if len(out) != 1 || !bytes.Equal(out[0].sent.data, in) || out[0].sent.to != b.addr {
			t.Fatalf("got %v, want %x", out, in)
		}
	})
}

func TestPayloadTypesAreMapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		other := opus
		other.PT = 111
		a, b := newPhone(t, e, "1.1.1.1", opus), newPhone(t, e, "2.2.2.2", other)
		Join(a.flow, b.flow)
		in := a.packet(rtp.Header{PT: 96, Time: 77}, []byte("sound"))
		a.send(false, a.addr, bytes.Clone(in))
		in[1] = 111
		if out := b.heard(); len(out) != 1 || !bytes.Equal(out[0].sent.data, in) {
			t.Fatalf("got %v, want %x", out, in)
		}
	})
}

// The way changes again and again; the listener hears every sample once.
func TestWaysChangeWithoutLossOrRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		bridge := Join(a.flow, b.flow)
		for _, need := range []Way{WayRelay, WayTranscode, WayRelay, WayTranscode, WayTranscode, WayNone} {
			bridge.Need(need)
			if want := max(need, WayRelay); bridge.Way() != want {
				t.Fatalf("way %v, want %v", bridge.Way(), want)
			}
			talk(7, a, b)
		}
		for _, p := range []*phone{a, b} {
			l := &listener{format: linear}
			l.hear(t, p.heard())
			l.counts(t, 0)
			if len(l.pcm) != 6*7*160 || len(l.gaps) != 0 {
				t.Errorf("%d samples with gaps %v, want %d without", len(l.pcm), l.gaps, 6*7*160)
			}
		}
	})
}

// With a mix in between there is a jitter buffer to fill, so one packet of
// silence may come at its start, and its content is lost at its end.
func TestMixAndBackIsOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		bridge := Join(a.flow, b.flow)
		for _, need := range []Way{WayRelay, WayMix, WayTranscode, WayMix, WayRelay} {
			bridge.Need(need)
			time.Sleep(time.Millisecond) // ticks and packets are not in step
			// b is silent, so that a's samples can be told in the sum
			for range 10 {
				a.speak()
				b.say(make([]int16, 160))
				time.Sleep(20 * time.Millisecond)
			}
		}
		l := &listener{format: linear}
		l.hear(t, b.heard())
		for _, gap := range l.gaps {
			if gap > 160 {
				t.Errorf("a gap of %d samples", gap)
			}
		}
		lost, last := 0, int16(-1)
		for i, s := range l.pcm {
			if s == 0 && i > 0 {
				continue // silence of a mix that begins
			}
			if s <= last {
				t.Fatalf("sample %d after %d", s, last)
			}
			lost += int(s - last - 1)
			last = s
		}
		if lost > 4*160 {
			t.Errorf("%d samples lost at four changes, want a packet each at most", lost)
		}
	})
}

func TestHoldAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		bridge := Join(a.flow, b.flow)
		talk(5, a)
		bridge.Mute(0, true)
		talk(50, a)
		bridge.Mute(0, false)
		talk(5, a)
		l := &listener{format: linear}
		l.hear(t, b.heard())
		if len(l.pcm) != 10*160 {
			t.Fatalf("%d samples heard, want ten packets", len(l.pcm))
		}
		// The time that passed is on the time line, and the talkspurt marked.
		if len(l.gaps) != 1 || l.gaps[0] != 50*160 {
			t.Errorf("gaps %v, want one of %d", l.gaps, 50*160)
		}
		if l.pcm[5*160] != 55*160 {
			t.Errorf("sound resumes at sample %d, want %d", l.pcm[5*160], 55*160)
		}
	})
}

// A transfer: the listener stays, who it hears changes, also to an
// application and to a leg without SSRC, and back.
func TestSourceReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		b := newPhone(t, e, "2.2.2.2", pcmu)
		l := &listener{format: pcmu}
		a, c := newPhone(t, e, "1.1.1.1", pcmu), newPhone(t, e, "3.3.3.3", pcmu)
		iax := &iaxLeg{engine: e}

		bridge := Join(a.flow, b.flow)
		talk(5, a)
		bridge.Close()
		bridge = Join(b.flow, NewTone(e, Tone{}))
		time.Sleep(100 * time.Millisecond)
		bridge.Close()
		bridge = Join(iax, b.flow)
		for range 5 {
			iax.speak(silence)
			time.Sleep(20 * time.Millisecond)
		}
		bridge.Close()
		Join(c.flow, b.flow)
		talk(5, c)

		packets := b.heard()
		l.hear(t, packets)
		if len(packets) < 19 || len(packets) > 20 { // the tone may be cut within a tick
			t.Errorf("%d packets in 400 ms", len(packets))
		}
		for _, gap := range l.gaps {
			if gap > 160 {
				t.Errorf("a gap of %d ticks", gap)
			}
		}
		if packets[0].SSRC != a.ssrc || packets[0].Marker || !packets[5].Marker {
			t.Errorf("the first splice is not marked: %v then %v", packets[0].Header, packets[5].Header)
		}
	})
}

func TestRestartOfSourceKeepsSSRC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		Join(a.flow, b.flow)
		talk(5, a)
		a.ssrc, a.seq, a.time = 9, 60000, 1<<31
		talk(5, a)
		l := &listener{format: linear}
		l.hear(t, b.heard())
		l.counts(t, 0)
		if len(l.gaps) != 0 {
			t.Errorf("gaps %v", l.gaps)
		}
	})
}

func TestStragglerFromBeforeTheSpliceIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		bridge := Join(a.flow, b.flow)
		talk(2, a)
		old := a.packet(rtp.Header{PT: 97, Time: a.time}, make([]byte, 320))
		bridge.Mute(0, true)
		bridge.Mute(0, false)
		talk(2, a)
		a.send(false, a.addr, old)
		if got := len(b.heard()); got != 4 {
			t.Errorf("%d packets, want 4: the straggler would overlap", got)
		}
	})
}

// Frames of 16-bit milliseconds wrap after 65 s; RTP goes on.
func TestIAXTimesAcrossTheWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a := newPhone(t, e, "1.1.1.1", pcmu)
		iax := &iaxLeg{engine: e, sent: 65400}
		Join(a.flow, iax)
		a.time = 65400 * 8
		for range 12 {
			a.speak()
			iax.speak(silence)
			time.Sleep(20 * time.Millisecond)
		}
		l := &listener{format: pcmu}
		l.hear(t, a.heard())
		if len(l.pcm) != 12*160 || len(l.gaps) != 0 {
			t.Errorf("%d samples, gaps %v", len(l.pcm), l.gaps)
		}
		full := 0
		for _, f := range iax.frames {
			if f.full {
				full++
			}
		}
		if len(iax.frames) != 12 || full != 2 {
			t.Errorf("%d frames, %d of them full; want 12 and 2", len(iax.frames), full)
		}
	})
}

func TestEchoHasAnSSRCOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a := newPhone(t, e, "1.1.1.1", opus, events)
		bridge := Join(a.flow, NewEcho())
		if bridge.Way() != WayRelay {
			t.Fatalf("way %v, %v", bridge.Way(), bridge.Err())
		}
		for i := range 3 {
			a.send(false, a.addr, a.packet(rtp.Header{PT: 96, Time: uint32(960 * i)}, []byte{byte(i)}))
			time.Sleep(20 * time.Millisecond)
		}
		out := a.heard()
		if len(out) != 3 || out[0].SSRC == a.ssrc {
			t.Fatalf("got %v", out)
		}
		for i, p := range out {
			if p.payload[0] != byte(i) || p.Seq != out[0].Seq+uint16(i) || p.Time != out[0].Time+uint32(960*i) {
				t.Errorf("packet %d came back as %v %x", i, p.Header, p.payload)
			}
		}
		a.press(events, rtp.Event{Code: 5, End: true, Duration: 800}, true)
		if len(a.digits) != 1 || a.digits[0] != (Digit{'5', 100 * time.Millisecond}) {
			t.Errorf("digits %v", a.digits)
		}
	})
}

func TestTranscodeKeepsASine(t *testing.T) {
	formats := []codec.Format{pcma, linear, linear2}
	for _, to := range formats {
		t.Run(to.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newTestEngine(t, Config{})
				a, b := newPhone(t, e, "1.1.1.1", pcmu), newPhone(t, e, "2.2.2.2", to)
				b.ptime = 30
				b.flow.Configure(b.remote(to))
				bridge := Join(a.flow, b.flow)
				if bridge.Way() != WayTranscode {
					t.Fatalf("way %v, %v", bridge.Way(), bridge.Err())
				}
				source := Tone{Hz: 1000, Level: 10, Rate: 8000}.source()
				for range 60 {
					pcm := make([]int16, 160)
					source(pcm)
					a.say(pcm)
					time.Sleep(20 * time.Millisecond)
				}
				l := &listener{format: to}
				packets := b.heard()
				l.hear(t, packets)
				if len(packets) != 40 || len(l.gaps) != 0 {
					t.Errorf("%d packets of 30 ms, gaps %v", len(packets), l.gaps)
				}
				want := 32767 * math.Pow(10, -0.5)
				if got := toneLevel(l.pcm[400:], 1000, to.Clock); math.Abs(got-want) > want/20 {
					t.Errorf("level %.0f, want %.0f", got, want)
				}
			})
		})
	}
}

func toneLevel(pcm []int16, hz float64, rate uint32) float64 {
	var re, im float64
	for i, s := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		re, im = re+float64(s)*cos, im+float64(s)*sin
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

func TestTranscodeFillsALostPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		Join(a.flow, b.flow).Need(WayTranscode)
		talk(2, a)
		a.time, a.seq, a.next = a.time+160, a.seq+1, a.next+160 // lost
		talk(2, a)
		a.time, a.seq = a.time+8000, a.seq+1 // a pause of a second
		talk(2, a)
		l := &listener{format: linear}
		l.hear(t, b.heard())
		if len(l.pcm) != 7*160 || len(l.gaps) != 1 || l.gaps[0] != 8000 {
			t.Errorf("%d samples, gaps %v; want 1120 and one of 8000", len(l.pcm), l.gaps)
		}
		if l.pcm[2*160] == 0 || l.pcm[3*160+80] != 3*160+80 {
			t.Errorf("the hole has %d, and then comes %d", l.pcm[2*160], l.pcm[3*160+80])
		}
	})
}

func TestNoWayNamesBothCodecs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		amr := codec.Format{PT: 96, Name: "amr", Clock: 8000, Channels: 1} // made nowhere here
		a, b := newPhone(t, e, "1.1.1.1", amr), newPhone(t, e, "2.2.2.2", pcmu)
		bridge := Join(a.flow, b.flow)
		err := bridge.Err()
		if !errors.Is(err, ErrCannotBridge) || !strings.Contains(err.Error(), "amr") || !strings.Contains(err.Error(), "pcmu") {
			t.Fatalf("got %v", err)
		}
		b.flow.Configure(b.remote(amr))
		bridge.Reconfigured()
		if bridge.Way() != WayRelay || bridge.Err() != nil {
			t.Errorf("after they agreed: %v, %v", bridge.Way(), bridge.Err())
		}
	})
}

func TestReconfiguredToTheSameStaysTransparent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		bridge := Join(a.flow, b.flow)
		talk(1, a)
		a.flow.Configure(a.remote(linear))
		bridge.Reconfigured()
		talk(1, a)
		if b.flow.line.rewriting {
			t.Error("a session refresh began rewriting")
		}
	})
}

func TestPinnedIsNeverRewritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", pcmu), newPhone(t, e, "2.2.2.2", pcmu)
		for _, p := range []*phone{a, b} {
			r := p.remote(pcmu)
			r.Pinned = true
			p.flow.Configure(r)
		}
		bridge := Join(a.flow, b.flow)
		talk(1, a)
		bridge.Mute(0, true)
		talk(1, a)
		bridge.Mute(0, false)
		a.ssrc = 77
		in := a.packet(rtp.Header{PT: 0, Time: 5}, []byte{1})
		a.send(false, a.addr, bytes.Clone(in))
		out := b.heard()
		if !bytes.Equal(out[len(out)-1].sent.data, in) {
			t.Errorf("rewritten to %x from %x", out[len(out)-1].sent.data, in)
		}
		if bridge.Need(WayTranscode); !errors.Is(bridge.Err(), ErrCannotBridge) {
			t.Errorf("secured media was to be decoded: %v", bridge.Err())
		}
	})
}

func TestMixerGivesAllButOnesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		m := NewMixer(e, MixerConfig{})
		phones := []*phone{
			newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear), newPhone(t, e, "3.3.3.3", linear),
		}
		var seats []*Seat
		for _, p := range phones {
			s, err := m.Add(p.flow, SeatOptions{})
			if err != nil {
				t.Fatal(err)
			}
			seats = append(seats, s)
		}
		for range 10 {
			for i, p := range phones {
				pcm := make([]int16, 160)
				for j := range pcm {
					pcm[j] = int16(1) << (4 * i)
				}
				p.say(pcm)
			}
			time.Sleep(20 * time.Millisecond)
		}
		for i, want := range []int16{0x110, 0x101, 0x011} {
			l := &listener{format: linear}
			l.hear(t, phones[i].heard())
			if got := l.pcm[len(l.pcm)-1]; got != want || len(l.gaps) != 0 {
				t.Errorf("phone %d hears %#x, want %#x; gaps %v", i, got, want, l.gaps)
			}
		}
		for _, s := range seats {
			s.Close()
		}
		if !e.pacer.idle() {
			t.Error("an empty mixer still ticks")
		}
	})
}

// Early media is joined, and joined again at the answer: the same two.
func TestJoinedAgainStaysTransparent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		bridge := Join(a.flow, b.flow)
		talk(2, a)
		bridge.Close()
		bridge = Join(a.flow, b.flow)
		talk(2, a)
		if b.flow.line.rewriting || len(b.heard()) != 4 {
			t.Error("joining again the same two began rewriting")
		}
		bridge.Mute(0, true)
		bridge.Close()
		Join(a.flow, b.flow)
		talk(2, a)
		if !b.flow.line.rewriting {
			t.Error("a hold is a splice")
		}
	})
}

// We offered more than the party took: what it took is what it sends.
func TestOfferedMoreThanTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", pcmu), newPhone(t, e, "2.2.2.2", pcmu)
		r := b.remote(pcmu)
		r.Local = []codec.Format{opus, pcmu}
		b.flow.Configure(r)
		bridge := Join(a.flow, b.flow)
		talk(1, b)
		if bridge.Way() != WayRelay || len(a.heard()) != 1 {
			t.Errorf("way %v, %v", bridge.Way(), bridge.Err())
		}
	})
}

// What a party may send beside what is handed on is decoded when it comes, and
// nothing is made for it before.
func TestSeldomCodec(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", pcmu, pcma), newPhone(t, e, "2.2.2.2", pcmu)
		bridge := Join(a.flow, b.flow)
		talk(3, a)
		if got := b.heard(); bridge.Way() != WayRelay || len(got) != 3 || bridge.ears[0] != nil {
			t.Fatalf("way %v, %d packets, an ear: %v", bridge.Way(), len(got), bridge.ears[0] != nil)
		}
		a.format = pcma
		talk(3, a)
		got := b.heard()
		if len(got) != 3 || got[0].PT != pcmu.PT || got[2].SSRC != a.ssrc {
			t.Errorf("of three packets of A-law %v come", got)
		}
	})
}

// A recorder joins a bridge that must then mix; a prompt ends by itself.
func TestRecorderHearsBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		bridge := Join(a.flow, b.flow)
		bridge.Need(WayMix)
		var recorded []int16
		left, done := 3, 0
		app := NewPCM(e, PCMConfig{
			Sink: func(pcm []int16) { recorded = append(recorded, pcm...) },
			Source: func(pcm []int16) bool {
				for i := range pcm {
					pcm[i] = 1000
				}
				left--
				return left >= 0
			},
			Done: func() { done++ },
		})
		if _, err := bridge.Mixer().Add(app, SeatOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		for range 10 {
			for i, p := range []*phone{a, b} {
				pcm := make([]int16, 160)
				for j := range pcm {
					pcm[j] = int16(1 + i)
				}
				p.say(pcm)
			}
			time.Sleep(20 * time.Millisecond)
		}
		heard := a.heard()
		if n := len(recorded); n < 9*160 || recorded[n-1] != 3 {
			t.Errorf("%d samples recorded, the last %d; want both parties", n, recorded[max(n-1, 0)])
		}
		prompts := 0
		for _, p := range heard {
			if p.pcm(linear)[0] >= 1000 {
				prompts++
			}
		}
		if prompts != 3 || done != 1 {
			t.Errorf("%d packets of the prompt, told %d times of its end", prompts, done)
		}
		bridge.Close()
		if !e.pacer.idle() {
			t.Error("the ticks go on after the bridge")
		}
	})
}
