package media

import (
	"slices"
	"sync"
	"time"
)

// tickEvery is the pace of everything that makes media by the clock.
const tickEvery = 20 * time.Millisecond

// maxCatchUp bounds how many ticks are made up for after a stall; the rest of
// the time is lost, as it would be on the wire.
const maxCatchUp = 10

// paced is called every tickEvery, with the time at which the tick was due.
type paced interface {
	tick(due time.Duration)
}

// pacer ticks for all applications, mixers and digits of an engine by one
// goroutine, which rests while there are none.
type pacer struct {
	now  func() time.Duration
	wake chan struct{} // holds one
	stop chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	members []paced // replaced, never changed
}

func newPacer(now func() time.Duration) *pacer {
	p := &pacer{now: now, wake: make(chan struct{}, 1), stop: make(chan struct{})}
	p.done.Go(p.run)
	return p
}

func (p *pacer) close() {
	close(p.stop)
	p.done.Wait()
}

// add makes m tick; adding again does nothing. The first tick comes within
// tickEvery.
func (p *pacer) add(m paced) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(p.members, m) {
		return
	}
	p.members = append(slices.Clone(p.members), m)
	select {
	case p.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// remove ends it; a tick under way may still be going on.
func (p *pacer) remove(m paced) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members = slices.DeleteFunc(slices.Clone(p.members), func(x paced) bool { return x == m })
}

func (p *pacer) current() []paced {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.members
}

func (p *pacer) run() {
	for {
		select {
		case <-p.stop:
			return
		case <-p.wake:
		}
		if !p.pace() {
			return
		}
	}
}

// pace ticks until there are no members; false when it was stopped.
func (p *pacer) pace() bool {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	due := p.now()
	for len(p.current()) > 0 {
		select {
		case <-p.stop:
			return false
		case <-ticker.C:
		}
		due = max(due, p.now()-maxCatchUp*tickEvery)
		// A ticker drops what its reader was too slow for: count by time.
		for due+tickEvery <= p.now() {
			due += tickEvery
			for _, m := range p.current() {
				m.tick(due)
			}
		}
	}
	return true
}
