package record

import "sync"

// places gives standing calls their rows of record_place. A call that ends
// leaves its row as it is, for the next to overwrite: the record says that it is
// over. Safe for any goroutine.
type places struct {
	mu   sync.Mutex // guards what follows
	of   map[string]int64
	free []int64 // the last is taken first: its page is at hand
	last int64
}

// found takes in a row of the table at the start.
func (p *places) found(place int64, id string, stands bool) {
	p.last = max(p.last, place)
	if stands {
		p.of[id] = place
	} else {
		p.free = append(p.free, place)
	}
}

// take gives the place of a call, its own or a new one.
func (p *places) take(id string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if place, ok := p.of[id]; ok {
		return place
	}
	place := p.last + 1
	if n := len(p.free); n > 0 {
		place, p.free = p.free[n-1], p.free[:n-1]
	} else {
		p.last = place
	}
	p.of[id] = place
	return place
}

// leave frees the place of a call whose record is written.
func (p *places) leave(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if place, ok := p.of[id]; ok {
		delete(p.of, id)
		p.free = append(p.free, place)
	}
}
