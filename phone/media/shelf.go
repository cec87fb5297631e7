package media

import "slices"

// shelfRoom bounds the packets that wait for their time: 500 ms of 10 ms each,
// and some.
const shelfRoom = 64

// arrived is a packet that waits to be decoded.
type arrived struct {
	time    int64 // ticks; does not wrap
	seq     uint16
	counted bool // seq means something
	voice   uint8
	payload []byte
}

// shelf keeps packets in the order of their media time.
type shelf struct {
	waiting []*arrived
	spare   []*arrived
}

// first gives what is due next, or nil.
func (s *shelf) first() *arrived {
	if len(s.waiting) == 0 {
		return nil
	}
	return s.waiting[0]
}

// last gives what is due last, or nil.
func (s *shelf) last() *arrived {
	if len(s.waiting) == 0 {
		return nil
	}
	return s.waiting[len(s.waiting)-1]
}

// put keeps a copy; false when there is one of that time already. Of too many
// the first goes.
func (s *shelf) put(p arrived) bool {
	at := len(s.waiting)
	for at > 0 && s.waiting[at-1].time >= p.time {
		at--
	}
	if at < len(s.waiting) && s.waiting[at].time == p.time {
		return false
	}
	if len(s.waiting) == shelfRoom {
		s.drop()
		at = max(at-1, 0)
	}
	slot := s.free()
	slot.time, slot.seq, slot.counted, slot.voice = p.time, p.seq, p.counted, p.voice
	slot.payload = append(slot.payload[:0], p.payload...)
	s.waiting = slices.Insert(s.waiting, at, slot)
	return true
}

func (s *shelf) free() *arrived {
	if n := len(s.spare); n > 0 {
		slot := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return slot
	}
	return new(arrived)
}

// drop takes the first away.
func (s *shelf) drop() {
	s.spare = append(s.spare, s.waiting[0])
	s.waiting = slices.Delete(s.waiting, 0, 1)
}

// empty takes all away.
func (s *shelf) empty() {
	for len(s.waiting) > 0 {
		s.drop()
	}
}
