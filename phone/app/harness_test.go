package app

import (
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tincan/bus"
	"tincan/phone/app/conference"
	"tincan/phone/call"
	"tincan/phone/codec"
	"tincan/phone/event"
	"tincan/phone/media"
	"tincan/phone/media/file"
	"tincan/phone/media/prompt"
	"tincan/phone/media/udp"
)

// What callers offer in tests.
var (
	pcmu = codec.Format{PT: 0, Name: "pcmu", Clock: 8000, Channels: 1}
	pcma = codec.Format{PT: 8, Name: "pcma", Clock: 8000, Channels: 1}
	amr  = codec.Format{PT: 97, Name: "amr", Clock: 8000, Channels: 1} // made nowhere here
	keys = codec.Format{PT: 101, Name: codec.TelephoneEvent, Clock: 8000, Channels: 1}
	vp8  = codec.Format{PT: 98, Name: "vp8", Clock: 90000, Channels: 1}
)

// house is a server's applications, in virtual time.
type house struct {
	*Apps
	t      *testing.T
	folder string // of recordings
	sounds string // of prompts in English

	mu   sync.Mutex // guards what follows
	told []event.Sound
}

// inHouse runs a test in a bubble of its own. Whatever still runs at its end is a leak,
// and fails it.
func inHouse(t *testing.T, change func(*Config), test func(*testing.T, *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e, err := media.NewEngine(media.Config{First: 40000, Last: 40003, Network: noNetwork{}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		h := &house{t: t, folder: filepath.Join(t.TempDir(), "recordings")}
		prompts := t.TempDir()
		h.sounds = filepath.Join(prompts, "en")
		if err := os.Mkdir(h.sounds, 0o700); err != nil {
			t.Fatal(err)
		}
		b := &bus.Bus{}
		c := Config{
			Media: e, Rooms: conference.New(e, b), Prompts: prompt.New(prompt.Config{Folders: []string{prompts}}),
			Recordings: h.folder, Bus: b, Logger: slog.New(slog.DiscardHandler),
		}
		if change != nil {
			change(&c)
		}
		h.Apps = New(c)
		heard := b.Subscribe(h.hear)
		test(t, h)
		synctest.Wait()
		heard.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

// noNetwork is a network without ports: applications need none.
type noNetwork struct{}

func (noNetwork) Open(netip.Addr, uint16, udp.Buffers, udp.Handler) (media.Socket, error) {
	return nil, errors.New("no network")
}
func (noNetwork) Close() error { return nil }

func (h *house) hear(e any) {
	if s, ok := e.(event.Sound); ok {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told = append(h.told, s)
	}
}

// events takes what was told since the last time.
func (h *house) events() []event.Sound {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	told := h.told
	h.told = nil
	return told
}

// sound puts a recording there: so much of a sine.
func (h *house) sound(name string, hz float64, length time.Duration) string {
	h.t.Helper()
	path := filepath.Join(h.sounds, name+".wav")
	w, err := file.Create(path, 8000, 1)
	if err != nil {
		h.t.Fatal(err)
	}
	pcm := make([]int16, int(length.Seconds()*8000))
	(&sine{hz: hz}).next(pcm)
	if err := w.Write(pcm); err != nil {
		h.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func (h *house) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.sounds, name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// setup is a call whose caller offers some codecs.
func setup(formats ...codec.Format) call.Setup {
	return call.Setup{CallID: "call-1", Offer: offer(line(media.Audio, formats...))}
}

func offer(lines ...media.Stream) media.Description { return media.Description{Streams: lines} }

func line(kind media.Kind, formats ...codec.Format) media.Stream {
	return media.Stream{Kind: kind, RTP: media.Pending, Direction: media.SendRecv, Formats: formats}
}

// sine goes on from block to block.
type sine struct {
	hz float64
	at int
}

func (s *sine) next(pcm []int16) bool {
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*s.hz*float64(s.at)/8000))
		s.at++
	}
	return true
}

// caller is the other side of an application: it owns the leg, speaks and listens.
type caller struct {
	leg    call.Leg
	bridge *media.Bridge

	mu     sync.Mutex // guards what follows
	events []call.Event
	pcm    []int16 // heard, 8000 samples a second
	voice  *sine   // nil: silent
}

func (c *caller) Post(e call.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
}

// phones calls a destination as a call does; the answer is joined at once.
func (h *house) phones(of, name, rest string) *caller {
	h.t.Helper()
	c := &caller{}
	leg, err := h.Dial(of, name, rest, setup(pcmu, keys), c)
	if err != nil {
		h.t.Fatal(err)
	}
	c.meets(h, leg)
	return c
}

func (c *caller) meets(h *house, leg call.Leg) {
	h.t.Helper()
	c.leg = leg
	phone := media.NewPCM(h.config.Media, media.PCMConfig{Source: c.say, Sink: c.listen})
	c.bridge = media.Join(phone, leg.Flows()[0])
	if err := c.bridge.Err(); err != nil {
		h.t.Fatal(err)
	}
}

func (c *caller) say(pcm []int16) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.voice == nil {
		clear(pcm)
		return true
	}
	return c.voice.next(pcm)
}

func (c *caller) listen(pcm []int16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pcm = append(c.pcm, pcm...)
}

// speaks says a sine from now on; 0: is silent.
func (c *caller) speaks(hz float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.voice = nil; hz > 0 {
		c.voice = &sine{hz: hz}
	}
}

// press presses a key.
func (c *caller) press(key rune) { c.leg.Digit(media.Digit{Rune: key}) }

// leaves is the end of the call.
func (c *caller) leaves() {
	c.bridge.Close()
	c.leg.Release()
}

// audible is the peak from which on a sine is heard: those of tests have 8000, tones two
// of 3600.
const audible = 1500

// hears takes for how long each of some sines was heard since the last time, in steps
// of 20 ms.
func (c *caller) hears(tones ...float64) []time.Duration {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	lengths := make([]time.Duration, len(tones))
	for block := range slices.Chunk(c.pcm, 160) {
		for i, hz := range tones {
			if len(block) == 160 && level(block, hz) > audible {
				lengths[i] += 20 * time.Millisecond
			}
		}
	}
	c.pcm = nil
	return lengths
}

// level is the peak of a sine within pcm.
func level(pcm []int16, hz float64) float64 {
	var re, im float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / 8000)
		re, im = re+float64(v)*cos, im+float64(v)*sin
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

// about wants lengths within 60 ms of what is expected: sound begins and ends within
// blocks, and passes filters.
func about(t *testing.T, what string, got []time.Duration, want ...time.Duration) {
	t.Helper()
	for i := range want {
		if d := got[i] - want[i]; d < -60*time.Millisecond || d > 60*time.Millisecond {
			t.Errorf("%s: heard for %v, want %v", what, got, want)
			return
		}
	}
}

// ended tells whether the application hung up, and how.
func (c *caller) ended() (cause call.Cause, ok bool) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if e, is := e.(call.Ended); is {
			return e.Cause, true
		}
	}
	return call.Cause{}, false
}

// hungUp wants the application to have ended the call as it should.
func (c *caller) hungUp(t *testing.T) {
	t.Helper()
	if cause, ok := c.ended(); !ok || cause != call.Normal {
		t.Errorf("ended %v: %v", ok, cause)
	}
}
