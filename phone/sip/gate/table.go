package gate

import (
	"sync"
	"time"
)

// ways is how many addresses share a set, of which a new one replaces one.
const ways = 8

// table holds a fixed number of buckets by the hash of their address.
type table struct {
	sets []set
}

// set is eight places; a cache line or four.
type set struct {
	mu     sync.Mutex // guards places
	places [ways]place
}

// place is one address.
type place struct {
	hash uint64 // 0: empty
	bucket
	told uint32 // when it was last told of
	held uint32 // messages held back since
}

// bucket fills with time.
type bucket struct {
	tokens float32
	at     uint32 // ms: when tokens was right
}

// fill brings a bucket up to date.
func (b *bucket) fill(now uint32, rate, burst float32) {
	b.tokens = min(burst, b.tokens+float32(now-b.at)/1000*rate)
	b.at = now
}

// take takes a token if there is one.
func (b *bucket) take(now uint32, rate, burst float32) bool {
	b.fill(now, rate, burst)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// give adds tokens; less than none takes them, down to a debt of a burst.
func (b *bucket) give(now uint32, n, rate, burst float32) {
	b.fill(now, rate, burst)
	b.tokens = max(-burst, min(burst, b.tokens+n))
}

func newTable(size int) *table { return &table{sets: make([]set, size/ways)} }

func (t *table) set(hash uint64) *set { return &t.sets[hash>>32%uint64(len(t.sets))] }

func (s *set) find(hash uint64) *place {
	for i := range s.places {
		if s.places[i].hash == hash {
			return &s.places[i]
		}
	}
	return nil
}

// take takes a token of an address that has a place.
func (t *table) take(hash uint64, now uint32, rate, burst float32) (ok, found bool) {
	s := t.set(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(hash)
	if p == nil {
		return false, false
	}
	return p.take(now, rate, burst), true
}

// draw is take; an address without a place gets one with a full bucket.
func (t *table) draw(hash uint64, now uint32, rate, burst float32) bool {
	s := t.set(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(hash)
	if p == nil {
		p = s.fullest(now, rate, burst)
		*p = place{hash: hash, bucket: bucket{tokens: burst, at: now}}
	}
	return p.take(now, rate, burst)
}

// fullest is the place to give away: an empty one, or that whose bucket is the
// fullest, which says the least about its address. Who is held back stays.
func (s *set) fullest(now uint32, rate, burst float32) *place {
	best := &s.places[0]
	for i := range s.places {
		p := &s.places[i]
		if p.hash == 0 {
			return p
		}
		p.fill(now, rate, burst)
		if p.tokens > best.tokens {
			best = p
		}
	}
	return best
}

// add gives an address a place with a full bucket if it has none, in that of who
// was not heard of for longest.
func (t *table) add(hash uint64, now uint32, burst float32) {
	s := t.set(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(hash) != nil {
		return
	}
	oldest := &s.places[0]
	for i := range s.places {
		p := &s.places[i]
		if p.hash == 0 {
			oldest = p
			break
		}
		if now-p.at > now-oldest.at {
			oldest = p
		}
	}
	*oldest = place{hash: hash, bucket: bucket{tokens: burst, at: now}}
}

// give adds tokens to an address that has a place.
func (t *table) give(hash uint64, now uint32, n, rate, burst float32) bool {
	s := t.set(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(hash)
	if p == nil {
		return false
	}
	p.give(now, n, rate, burst)
	return true
}

func (t *table) drop(hash uint64) {
	s := t.set(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.find(hash); p != nil {
		*p = place{}
	}
}

// held counts a message that was held back, and says whether it is time to tell
// of it, with how many there were.
func (t *table) held(hash uint64, now uint32) (n uint64, due bool) {
	s := t.set(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(hash)
	if p == nil {
		return 1, false // a known source: it told of itself by its digest
	}
	p.held++
	if p.told != 0 && now-p.told < uint32(tellEvery/time.Millisecond) {
		return 0, false
	}
	n = uint64(p.held)
	p.told, p.held = now, 0
	return n, true
}
