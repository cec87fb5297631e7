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

// pacedGrain is how many things that tick are left to one core.
const pacedGrain = 16

// paced is called every tickEvery, with the time at which the tick was due.
type paced interface {
	tick(due time.Duration)
}

// pacer ticks for all applications, mixers and digits of an engine by one
// goroutine and the crew, and rests while there are none. In each tick the
// mixers come last, so that what applications say reaches them in the tick in
// which it was said.
type pacer struct {
	now  func() time.Duration
	crew *crew
	wake chan struct{} // holds one
	stop chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	first  []paced // replaced, never changed
	mixers []paced // likewise

	round round // the goroutine's
}

// round is one tick of some.
type round struct {
	job     job
	members []paced
	due     time.Duration
}

func (r *round) part(i int) { r.members[i].tick(r.due) }

func newPacer(now func() time.Duration) *pacer {
	p := &pacer{now: now, crew: newCrew(), wake: make(chan struct{}, 1), stop: make(chan struct{})}
	p.done.Go(p.run)
	return p
}

func (p *pacer) close() {
	close(p.stop)
	p.done.Wait()
	p.crew.close()
}

// list is where m belongs.
func (p *pacer) list(m paced) *[]paced {
	if _, ok := m.(*Mixer); ok {
		return &p.mixers
	}
	return &p.first
}

// add makes m tick; adding again does nothing. The first tick comes within
// tickEvery.
func (p *pacer) add(m paced) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.list(m)
	if slices.Contains(*l, m) {
		return
	}
	*l = append(slices.Clone(*l), m)
	select {
	case p.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// remove ends it; a tick under way may still be going on.
func (p *pacer) remove(m paced) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.list(m)
	*l = slices.DeleteFunc(slices.Clone(*l), func(x paced) bool { return x == m })
}

func (p *pacer) current() (first, mixers []paced) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first, p.mixers
}

// idle tells that nothing ticks.
func (p *pacer) idle() bool {
	first, mixers := p.current()
	return len(first)+len(mixers) == 0
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
	for !p.idle() {
		select {
		case <-p.stop:
			return false
		case <-ticker.C:
		}
		due = max(due, p.now()-maxCatchUp*tickEvery)
		// A ticker drops what its reader was too slow for: count by time.
		for due+tickEvery <= p.now() {
			due += tickEvery
			p.tick(due)
		}
	}
	return true
}

func (p *pacer) tick(due time.Duration) {
	first, mixers := p.current()
	p.round.due = due
	for _, members := range [2][]paced{first, mixers} {
		p.round.members = members
		p.crew.do(&p.round.job, &p.round, len(members), pacedGrain)
	}
	p.round.members = nil
}
