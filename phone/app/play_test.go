package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tincan/phone/media"
)

func TestPlayOneAfterTheOther(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.sound("one", 600, 500*time.Millisecond)
		h.sound("two", 1500, time.Second)
		c := h.phones("app", "play", "one&two&one")
		time.Sleep(1900 * time.Millisecond)
		if _, ok := c.ended(); ok {
			t.Error("hung up before the end")
		}
		time.Sleep(200 * time.Millisecond)
		about(t, "600 and 1500 Hz", c.hears(600, 1500), time.Second, time.Second)
		c.hungUp(t)
		c.leaves()
		if told := h.events(); len(told) != 0 {
			t.Errorf("told: %+v", told)
		}
	})
}

// What cannot be played is a tone or nothing, as configured, and the rest is played.
// The event says which file, and why.
func TestPlayWhatIsNoSound(t *testing.T) {
	const say = "word"
	for name, c := range map[string]struct {
		spoil func(*testing.T, *house)
		file  bool          // the event names it
		why   string        // it says
		part  time.Duration // of the sound is heard
	}{
		"gone":      {func(*testing.T, *house) {}, false, "install asterisk-core-sounds", 0},
		"a text":    {func(_ *testing.T, h *house) { h.write(say+".wav", "once upon a time, in no format") }, true, "not sound", 0},
		"empty":     {func(_ *testing.T, h *house) { h.write(say+".wav", "") }, true, "", 0},
		"cut short": {cut, true, "cut short", 500 * time.Millisecond},
		"a folder": {func(t *testing.T, h *house) {
			if err := os.Mkdir(filepath.Join(h.sounds, say+".wav"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, true, "directory", 0},
	} {
		for _, quiet := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", silence instead", false: ", a tone instead"}[quiet], func(t *testing.T) {
				inHouse(t, func(c *Config) { c.Quiet = quiet }, func(t *testing.T, h *house) {
					c.spoil(t, h)
					h.sound("after", 1500, time.Second)
					p := h.phones("app", "play", say+"&after")
					time.Sleep(6 * time.Second)
					want := map[bool]time.Duration{false: missingTime / 2, true: 0}[quiet] // congestion is half of the time silent
					about(t, "the word, the tone and what follows", p.hears(900, 480, 1500), c.part, want, time.Second)
					p.hungUp(t)
					p.leaves()
					told := h.events()
					if len(told) != 1 || told[0].Step != "failed" || told[0].Call != "call-1" || !strings.Contains(told[0].Detail, c.why) ||
						!strings.Contains(told[0].Detail, say) || c.file && !strings.Contains(told[0].Detail, filepath.Join(h.sounds, say+".wav")) {
						t.Errorf("told: %+v", told)
					}
				})
			})
		}
	}
}

// cut makes a recording of a second of which half is there.
func cut(t *testing.T, h *house) {
	if err := os.Truncate(h.sound("word", 900, time.Second), 44+8000); err != nil {
		t.Fatal(err)
	}
}

// Whoever leaves in the middle takes the player along: the bubble ends without it.
func TestLeaveAtAnyMoment(t *testing.T) {
	for _, to := range []string{"play/word", "play/gone", "record/memo", "tone/busy", "delayed-echo/500", "milliwatt", "echo", "music"} {
		for _, after := range []time.Duration{0, 300 * time.Millisecond, 700 * time.Millisecond, 2 * time.Second} {
			inHouse(t, func(c *Config) { c.Music = silentMusic }, func(t *testing.T, h *house) {
				h.sound("word", 600, time.Second)
				name, rest, _ := strings.Cut(to, "/")
				c := h.phones("app", name, rest)
				c.speaks(900)
				time.Sleep(after)
				c.press('#')
				c.leaves()
				c.leg.Release() // again does nothing
				c.press('#')
				if flows := c.leg.Flows(); len(flows) != 0 {
					t.Errorf("%s has flows after its end: %v", to, flows)
				}
			})
		}
	}
}

func silentMusic() (media.Source, bool) {
	return media.Source{Next: func(pcm []int16) bool { clear(pcm); return true }}, true
}

// Music is given back once, whether it ends by itself or the caller leaves.
func TestMusicIsGivenBack(t *testing.T) {
	for _, blocks := range []int{10, 1000} {
		given := 0
		inHouse(t, func(c *Config) {
			c.Music = func() (media.Source, bool) {
				left, tone := blocks, sine{hz: 600}
				return media.Source{
					Next: func(pcm []int16) bool { left--; return left >= 0 && tone.next(pcm) },
					Done: func() { given++ },
				}, true
			}
		}, func(t *testing.T, h *house) {
			c := h.phones("app", "music", "")
			time.Sleep(time.Second)
			about(t, "music", c.hears(600), min(time.Second, time.Duration(blocks)*20*time.Millisecond))
			c.leaves()
		})
		if given != 1 {
			t.Errorf("music of %d blocks was given back %d times", blocks, given)
		}
	}
}

// 0 dBm0 of G.711 is 3.17 dB below the loudest sine.
func TestMilliwatt(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		c := h.phones("app", "milliwatt", "")
		time.Sleep(time.Second)
		c.mu.Lock()
		pcm := slices.Clone(c.pcm)
		c.mu.Unlock()
		// Ten periods of 1004 Hz are 79.68 samples; 2000 samples are 251 of them.
		if peak := level(pcm[len(pcm)-2000:], 1004); peak < 22600 || peak > 22900 {
			t.Errorf("the peak is %.0f", peak)
		}
		c.leaves()
	})
}

func TestDelayedEcho(t *testing.T) {
	for rest, want := range map[string]time.Duration{"": time.Second, "500": 500 * time.Millisecond, "20": 20 * time.Millisecond} {
		inHouse(t, nil, func(t *testing.T, h *house) {
			c := h.phones("app", "delayed-echo", rest)
			time.Sleep(time.Second)
			c.hears()
			c.speaks(900)
			time.Sleep(300 * time.Millisecond)
			c.speaks(0)
			time.Sleep(2 * time.Second)
			c.mu.Lock()
			first := slices.IndexFunc(c.pcm, func(v int16) bool { return v > 2000 || v < -2000 })
			c.mu.Unlock()
			about(t, "the echo of "+rest, c.hears(900), 300*time.Millisecond)
			if came := time.Duration(first) * time.Second / 8000; came < want-20*time.Millisecond || came > want+120*time.Millisecond {
				t.Errorf("the echo came after %v, want %v", came, want)
			}
			c.leaves()
		})
	}
}

func TestToneOfTheCountry(t *testing.T) {
	inHouse(t, func(c *Config) { c.Country = "cn" }, func(t *testing.T, h *house) {
		c := h.phones("app", "tone", "busy") // 450 Hz, 350 ms of 700
		time.Sleep(1400 * time.Millisecond)
		about(t, "busy", c.hears(450), 700*time.Millisecond)
		c.leaves()
		c = h.phones("app", "tone", "1000/200,0/300")
		time.Sleep(time.Second)
		about(t, "a cadence", c.hears(1000), 400*time.Millisecond)
		c.leaves()
	})
}
