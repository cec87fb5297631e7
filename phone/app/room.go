package app

import (
	"time"

	"tincan/phone/app/conference"
	"tincan/phone/call"
	"tincan/phone/media"
	"tincan/phone/media/deck"
	"tincan/phone/media/tones"
)

// guest is a caller in a conference.
type guest struct {
	*conference.Member
	apps    *Apps
	leg     *leg
	welcome *deck.Player
}

// What a room hears when someone comes and goes.
const (
	comes = "!440/80,!660/120"
	goes  = "!660/80,!440/120"
)

func startConference(a *Apps, l *leg) (program, error) {
	if a.config.Rooms == nil {
		return nil, call.NotFound.Why("there are no conferences")
	}
	m, others, err := a.config.Rooms.Enter(l.state.Name, l.state.Call)
	if err != nil {
		return nil, call.Busy.Why(err.Error())
	}
	g := &guest{Member: m, apps: a, leg: l}
	if others > 0 {
		g.signal(comes)
		return g, nil
	}
	if a.config.Prompts != nil {
		g.welcome = a.deck(l, []deck.Item{deck.Silence(500 * time.Millisecond), a.config.Prompts.Say(a.config.Language, "conf-onlyperson", "")}, nil)
		_, err = m.Seat().Say(g.welcome.Source())
	}
	return g, err
}

// signal lets the room hear a short cadence.
func (g *guest) signal(text string) {
	cadence, err := tones.Parse(text)
	if err != nil {
		return // cannot be: a test plays them
	}
	source := cadence.Source()
	next, left := source.Next, 10 // blocks of 20 ms
	source.Next = func(pcm []int16) bool {
		left--
		return left >= 0 && next(pcm)
	}
	g.Announce(source)
}

func (g *guest) flow() media.Flow { return g.Seat() }
func (g *guest) digit(byte)       {}

func (g *guest) close() {
	if g.welcome != nil {
		g.welcome.Stop()
	}
	g.Leave()
	g.signal(goes)
}
