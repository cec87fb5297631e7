// Package conference has rooms: whoever calls conference:NAME is in the room
// NAME, which is made when the first comes and is gone with the last.
//
//	call: phone leg ── bridge ── Seat ┐
//	call: phone leg ── bridge ── Seat ┼─ Mixer of the room
//	call: phone leg ── bridge ── Seat ┘
//
// Someone in a room is a call of their own to an application's leg whose flow is
// a seat: rooms know no legs, and calls no rooms. There are no goroutines.
package conference

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"tincan/bus"
	"tincan/phone/event"
	"tincan/phone/media"
)

// MaxSeats bounds a room, MaxRooms the rooms.
const (
	MaxSeats = 1000
	MaxRooms = 1000
)

// ErrFull says that a room takes no more, or that there are too many.
var ErrFull = errors.New("the conference is full")

// Rooms are the rooms of a server. Safe for any goroutine.
type Rooms struct {
	engine *media.Engine
	bus    *bus.Bus

	mu    sync.Mutex // guards what follows
	rooms map[string]*room
}

// room is one mix.
type room struct {
	name  string
	mixer *media.Mixer
	seats map[*media.Seat]string // call IDs
	taps  map[*media.Tapping]func()
}

// New makes an empty house.
func New(e *media.Engine, b *bus.Bus) *Rooms {
	return &Rooms{engine: e, bus: b, rooms: map[string]*room{}}
}

// Member is a call's place in a room. Its methods may be called by any goroutine.
type Member struct {
	rooms *Rooms
	room  *room
	seat  *media.Seat
}

// Enter takes a call in; others is how many were there before. The error wraps
// ErrFull.
func (r *Rooms) Enter(name, callID string) (m *Member, others int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in, ok := r.rooms[name]
	if !ok {
		if len(r.rooms) >= MaxRooms {
			return nil, 0, ErrFull
		}
		in = &room{name: name, seats: map[*media.Seat]string{}, taps: map[*media.Tapping]func(){}}
		in.mixer = media.NewMixer(r.engine, media.MixerConfig{Leveled: true, Speaking: func(s *media.Seat, on bool) {
			r.speaking(in, s, on)
		}})
		r.rooms[name] = in
	}
	if len(in.seats) >= MaxSeats {
		return nil, 0, ErrFull
	}
	seat := in.mixer.Seat(media.SeatOptions{})
	in.seats[seat] = callID
	return &Member{r, in, seat}, len(in.seats) - 1, nil
}

// speaking tells the bus; from a media goroutine.
func (r *Rooms) speaking(in *room, s *media.Seat, on bool) {
	if !r.bus.Listened() {
		return
	}
	r.mu.Lock()
	id, ok := in.seats[s]
	r.mu.Unlock()
	if ok {
		r.bus.Publish(event.Speaking{Time: time.Now(), Room: in.name, Call: id, On: on})
	}
}

// Seat is the member's flow.
func (m *Member) Seat() *media.Seat { return m.seat }

// Announce lets the whole room hear something.
func (m *Member) Announce(s media.Source) {
	if _, err := m.room.mixer.Play(s); err != nil && s.Done != nil {
		s.Done()
	}
}

// Leave ends the member's part. The last one closes the room. It may be called
// again.
func (m *Member) Leave() {
	m.rooms.mu.Lock()
	defer m.rooms.mu.Unlock()
	m.seat.Close()
	delete(m.room.seats, m.seat)
	if len(m.room.seats) > 0 || m.rooms.rooms[m.room.name] != m.room {
		return
	}
	delete(m.rooms.rooms, m.room.name)
	for t, over := range m.room.taps {
		t.Close()
		over()
	}
}

// Room describes a room.
type Room struct {
	Name  string   `json:"name"`
	Calls []string `json:"calls"`
}

// List gives the rooms by name, with the calls in them.
func (r *Rooms) List() []Room {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Room, 0, len(r.rooms))
	for _, in := range r.rooms {
		room := Room{Name: in.name}
		for _, id := range in.seats {
			room.Calls = append(room.Calls, id)
		}
		slices.Sort(room.Calls)
		list = append(list, room)
	}
	slices.SortFunc(list, func(a, b Room) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Tap lets someone hear a room until remove is called. Over is told if the last
// member leaves first; it must not call the Rooms.
func (r *Rooms) Tap(name string, t media.Tap, over func()) (remove func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in, ok := r.rooms[name]
	if !ok {
		return nil, errors.New("nobody is in conference " + name)
	}
	tapping, err := in.mixer.Tap(t)
	if err != nil {
		return nil, err
	}
	in.taps[tapping] = over
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(in.taps, tapping)
		tapping.Close()
	}, nil
}
