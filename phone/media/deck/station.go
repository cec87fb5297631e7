package deck

import (
	"sync"

	"tincan/phone/media"
)

// stationRoom is how many blocks back a listener may be: all are called within
// the same tick, or one later.
const stationRoom = 16

// Station is one player that any number hear at the same place: music on hold. It
// plays while someone listens. Its methods may be called by any goroutine.
type Station struct {
	start func() *Player

	mu        sync.Mutex // guards what follows
	player    *Player
	next      func([]int16) bool
	blocks    [stationRoom][]int16
	head      uint64 // blocks pulled so far
	listeners int
}

// NewStation makes one; start begins to play, without an end, whenever the first
// listener comes.
func NewStation(start func() *Player) *Station {
	s := &Station{start: start}
	for i := range s.blocks {
		s.blocks[i] = make([]int16, samples(blockTime, PlayRate))
	}
	return s
}

// Listen gives the sound of now on. Its Done must be called for the player to
// rest, as a mix does.
func (s *Station) Listen() media.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners++; s.listeners == 1 {
		s.player = s.start()
		s.next = s.player.Source().Next
	}
	l := &listener{station: s, at: s.head}
	return media.Source{Rate: PlayRate, Next: l.hear, Done: sync.OnceFunc(s.leave)}
}

func (s *Station) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners--; s.listeners == 0 {
		s.player.Stop()
		s.player, s.next = nil, nil
	}
}

// listener is where one has come to.
type listener struct {
	station *Station
	at      uint64
}

// hear gives the next block: who is first pulls it for all.
func (l *listener) hear(pcm []int16) bool {
	s := l.station
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head-l.at > stationRoom {
		l.at = s.head // it was away
	}
	if l.at == s.head {
		if s.next == nil || !s.next(s.blocks[s.head%stationRoom]) {
			return false
		}
		s.head++
	}
	copy(pcm, s.blocks[l.at%stationRoom])
	l.at++
	return true
}
