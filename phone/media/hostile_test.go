package media

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/codec"

	"pgregory.net/rapid"
)

// hostile is a party that sends what nobody should, to one who is decoded for.
type hostile struct {
	*phone
	other  *phone
	bridge *Bridge
	log    *bytes.Buffer
}

// hostileTo joins them by a way.
func hostileTo(t *testing.T, need Way, formats ...codec.Format) *hostile {
	h := &hostile{log: new(bytes.Buffer)}
	e := newTestEngine(t, Config{Logger: slog.New(slog.NewTextHandler(h.log, nil))})
	h.phone, h.other = newPhone(t, e, "1.1.1.1", formats...), newPhone(t, e, "2.2.2.2", linear)
	h.bridge = Join(h.flow, h.other.flow)
	h.bridge.Need(need)
	return h
}

func (h *hostile) ear() Hearing { return h.bridge.Hearing(0) }

// well lets the party speak properly, and checks that it is heard.
func (h *hostile) well() {
	h.t.Helper()
	h.other.heard()
	n := h.ear().Packets
	for range 20 {
		h.say(loud(160))
		time.Sleep(20 * time.Millisecond)
	}
	sounds := 0
	for _, p := range h.other.heard() {
		if meanAmplitude(p.pcm(linear)) > 1000 {
			sounds++
		}
	}
	if sounds < 14 || h.ear().Packets-n < 15 {
		h.t.Errorf("of 20 good packets %d were heard and %d decoded: %+v", sounds, h.ear().Packets-n, h.ear())
	}
}

func loud(n int) []int16 { return sine(440, -9, 8000)(n) }

// ways runs a test in each way that decodes.
func ways(t *testing.T, f func(t *testing.T, need Way)) {
	for _, need := range []Way{WayTranscode, WayMix} {
		t.Run(need.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, need) })
		})
	}
}

func TestPayloadTypeChangesMidStream(t *testing.T) {
	ways(t, func(t *testing.T, need Way) {
		h := hostileTo(t, need, pcmu, pcma, linear2)
		for i := range 60 {
			h.format = []codec.Format{pcmu, pcma, linear2}[i/3%3]
			h.say(sine(440, -9, int(h.format.Clock))(int(h.format.Clock) / 50))
			time.Sleep(20 * time.Millisecond)
		}
		if n := h.ear(); n.Packets < 55 || n.Damaged != 0 {
			t.Errorf("%+v", n)
		}
		h.format = pcmu
		h.well()
	})
}

func TestPayloadsOfWrongLength(t *testing.T) {
	ways(t, func(t *testing.T, need Way) {
		h := hostileTo(t, need, linear)
		for i := range 30 {
			h.sound(make([]byte, []int{0, 1, 3, 319, 321, 2000, 60000}[i%7]))
			time.Sleep(20 * time.Millisecond)
		}
		if n := h.ear(); n.Damaged < 15 {
			t.Errorf("%+v", n)
		}
		if n := strings.Count(h.log.String(), "cannot be decoded"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, h.log)
		}
		h.well()
	})
}

func TestTimestampsThatJumpOrStandStill(t *testing.T) {
	for name, step := range map[string]func(i int, at uint32) uint32{
		"stand still":     func(_ int, at uint32) uint32 { return at },
		"go back":         func(_ int, at uint32) uint32 { return at - 160 },
		"jump ahead":      func(_ int, at uint32) uint32 { return at + 1<<30 },
		"jump back":       func(_ int, at uint32) uint32 { return at - 1<<30 },
		"count in 16 kHz": func(_ int, at uint32) uint32 { return at + 320 },
		"count in 1 kHz":  func(_ int, at uint32) uint32 { return at + 20 },
		"now and then":    func(i int, at uint32) uint32 { return at + 160 + uint32(i%5/4)*80000 },
		"wrap":            func(i int, at uint32) uint32 { return at + 160 - uint32(i%2) },
		"random":          func(i int, at uint32) uint32 { return at*1103515245 + 12345 },
	} {
		t.Run(name, func(t *testing.T) {
			ways(t, func(t *testing.T, need Way) {
				h := hostileTo(t, need, linear)
				for i := range 100 {
					at := h.time
					h.say(loud(160))
					h.time = step(i, at)
					time.Sleep(20 * time.Millisecond)
				}
				// All settles within a second of good packets.
				for range 50 {
					h.say(loud(160))
					time.Sleep(20 * time.Millisecond)
				}
				h.well()
			})
		})
	}
}

func TestTwoSendersWithOneSSRC(t *testing.T) {
	ways(t, func(t *testing.T, need Way) {
		h := hostileTo(t, need, linear)
		seq, at := uint16(40000), uint32(1<<31)
		for range 200 {
			h.say(loud(160))
			h.seq, seq = seq, h.seq
			h.time, at = at, h.time
			h.say(loud(160))
			h.seq, seq = seq, h.seq
			h.time, at = at, h.time
			time.Sleep(20 * time.Millisecond)
		}
		e := h.bridge.ears[0]
		e.mu.Lock()
		if len(e.fifo) > 48000 || len(e.shelf.waiting) > shelfRoom {
			t.Errorf("%d samples and %d packets wait", len(e.fifo), len(e.shelf.waiting))
		}
		e.mu.Unlock()
		for range 50 {
			h.say(loud(160))
			time.Sleep(20 * time.Millisecond)
		}
		h.well()
	})
}

func TestRatesThatAreNoSound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		for _, clock := range []uint32{1, 50, 7999, 192000, 1 << 31} {
			f := codec.Format{PT: 99, Name: "l16", Clock: clock, Channels: 1}
			a, b := newPhone(t, e, "1.1.1.1", f), newPhone(t, e, "2.2.2.2", linear)
			if bridge := Join(a.flow, b.flow); bridge.Err() == nil {
				t.Errorf("%v is taken for sound", f)
			}
			seat := NewMixer(e, MixerConfig{}).Seat(SeatOptions{})
			if bridge := Join(a.flow, seat); bridge.Err() == nil {
				t.Errorf("%v is mixed", f)
			}
			seat.Close()
		}
	})
}

// Whatever comes, in whatever order an ear is used: it holds its bounds.
func TestEarHoldsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		formats := []codec.Format{pcmu, linear, linear2}
		e, err := newEar(Terms{Sends: formats}, 8000, nil)
		if err != nil {
			t.Fatal(err)
		}
		rate, now := 8000, time.Duration(0)
		m, err := newMouth(sinkhole{}, Terms{Accepts: []codec.Format{pcma}}, rate)
		if err != nil {
			t.Fatal(err)
		}
		p := Packet{datagram: []byte{}}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 100).Draw(t, "ms")) * time.Millisecond
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 0:
				e.take(make([]int16, samplesIn(tickEvery, rate)), now)
			case 1:
				e.drain(m, now)
			case 2:
				e.byClock()
			case 3:
				e.anew()
			case 4:
				rate = rapid.SampledFrom([]int{8000, 16000, 48000}).Draw(t, "rate")
				e.retune(rate)
				m.voice.retune(rate)
			case 5:
				e.mind(&p)
			default:
				f := rapid.SampledFrom(formats).Draw(t, "format")
				p.Format, p.Arrival = &f, now
				p.Time += uint32(rapid.SampledFrom([]int{0, 1, 160, 160, 160, 320, 8000, -160, -80000, 1 << 30}).Draw(t, "time"))
				p.seq += uint16(rapid.SampledFrom([]int{0, 1, 1, 1, 2, -1, 1000}).Draw(t, "seq"))
				p.ssrc = rapid.Uint32Range(1, 2).Draw(t, "ssrc")
				p.Payload = make([]byte, rapid.SampledFrom([]int{0, 1, 80, 160, 320, 480, 1001}).Draw(t, "length"))
				if rapid.Bool().Draw(t, "push") {
					(&transcoder{ear: e, mouth: m}).Deliver(&p)
				} else {
					e.Deliver(&p)
				}
			}
			if e.head > len(e.fifo) || len(e.fifo) > 2*rate || len(e.shelf.waiting) > shelfRoom {
				t.Fatalf("head %d of %d samples at %d Hz, %d packets", e.head, len(e.fifo), rate, len(e.shelf.waiting))
			}
		}
	})
}

// sinkhole takes all.
type sinkhole struct{}

func (sinkhole) Deliver(*Packet) {}
