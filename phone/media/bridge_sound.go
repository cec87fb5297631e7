package media

import (
	"errors"
	"fmt"
	"sync"
)

// Both is for Play: both parties hear it.
const Both = -1

// Play lets the party of flow side (0, 1 or Both) hear a source over what the
// other says. The bridge mixes until it has ended, and then takes the cheapest
// way again; nobody hears a change.
func (b *Bridge) Play(side int, s Source) (*Playing, error) {
	done := s.Done
	s.Done = func() {
		b.spare()
		if done != nil {
			done()
		}
	}
	m, seats, err := b.raise()
	if err != nil {
		return nil, err
	}
	var p *Playing
	if side == Both {
		p, err = m.Play(s)
	} else {
		p, err = seats[side].Say(s)
	}
	if err != nil {
		b.spare()
	}
	return p, err
}

// Tap lets someone hear both parties, those of flow 0 on the left if it is in
// stereo. The bridge mixes until the tap is closed.
func (b *Bridge) Tap(t Tap) (*Tapping, error) {
	m, _, err := b.raise()
	if err != nil {
		return nil, err
	}
	p, err := m.Tap(t)
	if err != nil {
		b.spare()
		return nil, err
	}
	p.closed = sync.OnceFunc(b.spare)
	return p, nil
}

// Hearing tells what was met in what flow side (0 or 1) sends, as far as it had
// to be decoded.
func (b *Bridge) Hearing(side int) Hearing {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.ears[side]; e != nil {
		return e.heard()
	}
	return Hearing{}
}

// raise makes the bridge mix for one more.
func (b *Bridge) raise() (*Mixer, [2]*Seat, error) {
	b.mu.Lock()
	defer b.unlock()
	if b.closed {
		return nil, b.seats, errors.New("media: the bridge is closed: the call has ended or was transferred")
	}
	b.users++
	if b.users == 1 && b.need < WayMix {
		b.arrange()
	}
	if b.mixer == nil {
		err := fmt.Errorf("media: the call cannot be mixed: %w", b.err)
		b.users--
		b.arrange()
		return nil, b.seats, err
	}
	return b.mixer, b.seats, nil
}

// spare is told that one who needed a mix is gone.
func (b *Bridge) spare() {
	b.mu.Lock()
	defer b.unlock()
	b.users--
	if b.users == 0 && b.need < WayMix && !b.closed {
		b.arrange()
	}
}

// least is the lowest way that will do for both flows.
func (b *Bridge) least() Way {
	if b.users > 0 {
		return WayMix
	}
	return b.need
}

// leastFor is the lowest way that will do for what flow i says: what is done to
// sound, and what must be known of it, needs decoding. A seat does so itself.
func (b *Bridge) leastFor(i int) Way {
	from, to := b.terms[i], b.terms[1-i]
	if b.meetsMix() || from.keys == nil && to.keys == nil && from.Clean == (Clean{}) && !to.Clean.Echo {
		return b.need
	}
	return max(b.need, WayTranscode)
}
