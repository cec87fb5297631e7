package call

import (
	"errors"
	"slices"

	"tincan/phone/media"
)

// Sound is something added to a call while it stands: played to a party or to
// both, heard by a recorder, or neither, which makes the call mix. It lasts over
// transfers and changes of codec.
type Sound struct {
	// Play is heard by the party of Side: 0 the caller, 1 the called,
	// media.Both. Its Done is told when it has ended or was detached.
	Play *media.Source
	Side int
	// Tap hears both parties, the caller on the left. Its Rate must be set.
	Tap *media.Tap
	// Over is told when Play has ended, and for a Tap when the call ends first; it
	// may be nil.
	Over func()
}

// MaxSounds bounds what is added to one call at a time.
const MaxSounds = 16

// ErrNoCall says that there is no standing call of an ID.
var ErrNoCall = errors.New("there is no such call, or nobody has answered it yet: see tincan calls")

// attached is a sound at work. The call's handler alone touches it.
type attached struct {
	Sound
	playing *media.Playing
	tapping *media.Tapping
	turn    int // bridges that it was at work on
}

type (
	attach struct {
		a    *attached
		done chan<- error
	}
	detach struct{ a *attached }
	played struct { // a source that was played has ended, or its bridge
		a    *attached
		turn int
	}
)

// Attach adds a sound to a standing call. Detach takes it away again; it does
// nothing when that has happened. The error wraps ErrNoCall, or says why the call
// cannot be mixed.
func (x *Exchange) Attach(id string, s Sound) (remove func(), err error) {
	c, ok := x.Call(id)
	if !ok {
		return nil, ErrNoCall
	}
	a := &attached{Sound: s}
	done := make(chan error, 1)
	c.actor.post(attach{a, done})
	if err := <-done; err != nil {
		return nil, err
	}
	return func() { c.actor.post(detach{a}) }, nil
}

func (c *Call) attach(m attach) {
	switch {
	case c.phase != standing || c.sound == nil:
		m.done <- ErrNoCall
	case len(c.sounds) >= MaxSounds:
		m.done <- errors.New("too much is played into the call and recorded of it: stop something first")
	default:
		m.done <- c.begins(m.a)
	}
}

// begins puts a sound to work.
func (c *Call) begins(a *attached) error {
	if err := c.apply(a); err != nil {
		return err
	}
	c.sounds = append(c.sounds, a)
	return nil
}

// apply lets a sound work on the bridge of the moment.
func (c *Call) apply(a *attached) (err error) {
	a.turn++
	switch turn := a.turn; {
	case a.Play != nil:
		play := *a.Play
		play.Done = func() { c.actor.post(played{a, turn}) }
		a.playing, err = c.sound.Play(a.Side, play)
	case a.Tap != nil:
		a.tapping, err = c.sound.Tap(*a.Tap)
	default:
		c.sound.Need(media.WayMix)
	}
	return err
}

// resume lets sounds work on a bridge that took the place of another. What cannot,
// since the parties agreed on a codec that is not made here, is over.
func (c *Call) resume() {
	for _, a := range slices.Clone(c.sounds) {
		if err := c.apply(a); err != nil {
			c.x.cfg.Logger.Warn("what is played into the call or recorded of it breaks off", "call", c.id, "error", err)
			c.remove(a)
			a.over()
		}
	}
}

// played tells the end of a source from that of a bridge, after which it goes on
// upon the next.
func (c *Call) played(m played) {
	if m.turn == m.a.turn {
		c.detach(m.a)
	}
}

// detach takes a sound away.
func (c *Call) detach(a *attached) {
	if !c.remove(a) {
		return
	}
	switch {
	case a.playing != nil:
		a.playing.Stop()
		a.over()
	case a.tapping != nil:
		a.tapping.Close()
	case a.Play == nil && c.sound != nil && !c.mixes():
		c.sound.Need(media.WayNone)
	}
}

// remove takes a sound off the list, if it is there.
func (c *Call) remove(a *attached) bool {
	i := slices.Index(c.sounds, a)
	if i < 0 {
		return false
	}
	c.sounds = slices.Delete(c.sounds, i, i+1)
	for side, music := range c.music {
		if music == a {
			c.music[side] = nil
		}
	}
	return true
}

// mixes tells whether someone wants the call mixed for its own sake.
func (c *Call) mixes() bool {
	for _, a := range c.sounds {
		if a.Play == nil && a.Tap == nil {
			return true
		}
	}
	return false
}

// silence ends all sounds with the call.
func (c *Call) silence() {
	sounds := c.sounds
	c.sounds = nil
	for _, a := range sounds {
		a.over()
	}
}

// over tells whoever attached it.
func (a *attached) over() {
	if a.Play != nil && a.Play.Done != nil {
		a.Play.Done()
	}
	if a.Over != nil {
		a.Over()
	}
}

// entertain plays music to who is on hold, and stops it. An application is not
// entertained: a conference would hear it.
func (c *Call) entertain() {
	for i := range c.sides {
		held := c.sides[1-i].held && !c.sides[i].held && c.sides[i].leg != nil && c.sides[i].leg.Info().Kind != "app"
		playing := c.music[i] != nil
		switch {
		case held && !playing && c.sound != nil && c.x.cfg.Music != nil:
			source, ok := c.x.cfg.Music()
			if !ok {
				continue
			}
			a := &attached{Sound: Sound{Play: &source, Side: i}}
			if err := c.begins(a); err != nil {
				c.x.cfg.Logger.Warn("no music for who is on hold", "call", c.id, "error", err)
				a.over()
				continue
			}
			c.music[i] = a
		case !held && playing:
			c.detach(c.music[i])
		}
	}
}
