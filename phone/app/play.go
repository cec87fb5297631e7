package app

import (
	"strings"
	"sync"
	"time"

	"tincan/phone/call"
	"tincan/phone/media"
	"tincan/phone/media/deck"
	"tincan/phone/media/tones"
)

// startTone is a tone of the country, or any cadence; 440 Hz when none is named.
func startTone(a *Apps, l *leg) (program, error) {
	cadence, err := tones.Find(a.config.Country, l.state.Rest)
	switch {
	case l.state.Rest == "":
		cadence, err = tones.Parse("440")
	case err != nil:
		cadence, err = tones.Parse(l.state.Rest)
	}
	if err != nil {
		return nil, call.NotFound.Why(err.Error() + "; tones by name are " + strings.Join(tones.Kinds(), ", "))
	}
	s := newStage(a)
	_, err = s.seat.Say(cadence.Source())
	return s, err
}

// milliwatt is what lines are measured with (ITU-T O.133 and its kin): 0 dBm0 is
// 3.17 dB below the loudest sine of G.711.
func startMilliwatt(a *Apps, _ *leg) (program, error) {
	return pcm{media.NewTone(a.config.Media, media.Tone{Hz: 1004, Level: 3.17})}, nil
}

// pcm is a program that is a flow.
type pcm struct{ *media.PCM }

func (p pcm) flow() media.Flow { return p.PCM }
func (p pcm) digit(byte)       {}
func (p pcm) close()           { p.Route(nil) }

// player plays to its caller.
type player struct {
	stage
	sound *deck.Player
}

func (p *player) close() {
	if p.sound != nil {
		p.sound.Stop()
	}
	p.stage.close()
}

// startPlay plays recordings by name, one after the other, and hangs up.
func startPlay(a *Apps, l *leg) (program, error) {
	if l.state.Rest == "" || a.config.Prompts == nil {
		return nil, call.NotFound.Why("app:play/NAME: write which recordings to play, such as vm-youhave&digits/3&vm-messages")
	}
	var items []deck.Item
	for name := range strings.SplitSeq(l.state.Rest, "&") {
		items = append(items, a.config.Prompts.Say(a.config.Language, name, ""))
	}
	return a.play(l, items, l.hangup)
}

// play plays items, and in place of one that cannot be played a tone.
func (a *Apps) play(l *leg, items []deck.Item, done func()) (program, error) {
	p := &player{stage: newStage(a)}
	p.sound = a.deck(l, items, done)
	_, err := p.seat.Say(p.sound.Source())
	return p, err
}

// missingTime is how long the tone is that is heard in place of a recording.
const missingTime = 3 * time.Second

// deck makes a player of items.
func (a *Apps) deck(l *leg, items []deck.Item, done func()) *deck.Player {
	missing := false // the player's goroutine's
	next := deck.Items(items...)
	return deck.Play(deck.PlayConfig{
		Next: func() (deck.Item, bool) {
			if missing && !a.config.Quiet {
				missing = false
				return a.missing(), true
			}
			return next()
		},
		Failed: func(err error) {
			missing = true
			a.failed(l, err)
		},
		Done: done,
	})
}

// missing is the country's tone for what cannot be had.
func (a *Apps) missing() deck.Item {
	cadence, err := tones.Find(a.config.Country, "congestion")
	if err != nil {
		return deck.Silence(missingTime)
	}
	return deck.Made(cadence.Source(), missingTime)
}

// startMusic plays what is heard on hold.
func startMusic(a *Apps, _ *leg) (program, error) {
	if a.config.Music != nil {
		if source, ok := a.config.Music(); ok {
			m := music{newStage(a), func() {}}
			if source.Done != nil {
				m.over = sync.OnceFunc(source.Done)
			}
			source.Done = m.over
			_, err := m.seat.Say(source)
			return m, err
		}
	}
	return nil, call.NotFound.Why("no music is set: see [sound] music in tincan.toml")
}

// music gives its source back when it ends or the caller goes.
type music struct {
	stage
	over func()
}

func (m music) close() {
	m.stage.close()
	m.over()
}
