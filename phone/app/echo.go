package app

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"tincan/phone/call"
	"tincan/phone/media"
)

// echo sends everything back as it came, whatever the codec.
type echo struct{ *media.Echo }

func startEcho(*Apps, *leg) (program, error) { return echo{media.NewEcho()}, nil }

func (e echo) flow() media.Flow { return e.Echo }
func (e echo) digit(byte)       {}
func (e echo) close()           { e.Route(nil) }

// stage is where a program that makes sound meets its caller: a mix of one.
type stage struct {
	mixer *media.Mixer
	seat  *media.Seat
}

func newStage(a *Apps) stage {
	m := media.NewMixer(a.config.Media, media.MixerConfig{})
	return stage{m, m.Seat(media.SeatOptions{})}
}

func (s stage) flow() media.Flow { return s.seat }
func (s stage) digit(byte)       {}
func (s stage) close()           { s.seat.Close() }

// Bounds of the delay of an echo.
const (
	echoUsual = time.Second
	echoMost  = 10 * time.Second
)

// echoRate is the sound that an echo keeps: wide-band.
const echoRate = 16000

// delayed gives back what was said a while ago.
type delayed struct {
	stage
	tap *media.Tapping

	mu   sync.Mutex // guards what follows
	ring [][]int16  // 20 ms each
	at   int
}

func startDelayedEcho(a *Apps, l *leg) (program, error) {
	delay := echoUsual
	if l.state.Rest != "" {
		ms, err := strconv.Atoi(l.state.Rest)
		delay = time.Duration(ms) * time.Millisecond
		if err != nil || delay < 20*time.Millisecond || delay > echoMost {
			return nil, call.NotFound.Why(fmt.Sprintf("app:delayed-echo/%s: write the delay in ms, 20 to %d", l.state.Rest, echoMost.Milliseconds()))
		}
	}
	d := &delayed{stage: newStage(a), ring: make([][]int16, delay/(20*time.Millisecond))}
	for i := range d.ring {
		d.ring[i] = make([]int16, echoRate/50)
	}
	var err error
	if d.tap, err = d.mixer.Tap(media.Tap{Rate: echoRate, Take: d.take}); err == nil {
		_, err = d.seat.Say(media.Source{Rate: echoRate, Next: d.give})
	}
	return d, err
}

// take keeps what is said; it comes after give in each tick.
func (d *delayed) take(pcm []int16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.ring[d.at], pcm)
	d.at = (d.at + 1) % len(d.ring)
}

func (d *delayed) give(pcm []int16) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(pcm, d.ring[d.at])
	return true
}

func (d *delayed) close() {
	d.tap.Close()
	d.stage.close()
}
