// Package bus carries events within the process, typed by their Go type.
//
//	Publish -> each Subscription's bounded queue -> its goroutine -> handler
//
// A subscriber that is too slow loses events, counted, and nobody else's are
// delayed: what must not be lost is written by its owner, not heard here.
package bus

import (
	"sync"
	"sync/atomic"
)

// QueueSize is how many events may wait for one subscriber.
const QueueSize = 1024

// Bus is safe for any goroutine. The zero value is ready.
type Bus struct {
	subs atomic.Pointer[[]*Subscription]
	mu   sync.Mutex // guards changes of subs
}

// Subscription is one listener; Close ends it.
type Subscription struct {
	bus     *Bus
	queue   chan any
	done    chan struct{}
	ended   chan struct{}
	once    sync.Once
	dropped atomic.Uint64
}

// Subscribe calls f for each event, one at a time, on a goroutine of its own.
func (b *Bus) Subscribe(f func(event any)) *Subscription {
	s := &Subscription{bus: b, queue: make(chan any, QueueSize), done: make(chan struct{}), ended: make(chan struct{})}
	b.mu.Lock()
	subs := append([]*Subscription{s}, b.list()...)
	b.subs.Store(&subs)
	b.mu.Unlock()
	go s.run(f)
	return s
}

func (b *Bus) list() []*Subscription {
	if p := b.subs.Load(); p != nil {
		return *p
	}
	return nil
}

// Listened reports whether anybody would hear: events that cost much to make
// (whole SIP messages) are made only then.
func (b *Bus) Listened() bool { return len(b.list()) > 0 }

// Publish hands event to every subscriber. It never blocks.
func (b *Bus) Publish(event any) {
	for _, s := range b.list() {
		select {
		case s.queue <- event:
		default:
			s.dropped.Add(1)
		}
	}
}

func (s *Subscription) run(f func(any)) {
	defer close(s.ended)
	for {
		select {
		case <-s.done:
			return
		case e := <-s.queue:
			f(e)
		}
	}
}

// Dropped counts the events that the subscriber was too slow for.
func (s *Subscription) Dropped() uint64 { return s.dropped.Load() }

// Close ends the subscription and waits for its handler to return. It must not
// be called from the handler.
func (s *Subscription) Close() {
	s.once.Do(func() {
		b := s.bus
		b.mu.Lock()
		var rest []*Subscription
		for _, o := range b.list() {
			if o != s {
				rest = append(rest, o)
			}
		}
		b.subs.Store(&rest)
		b.mu.Unlock()
		close(s.done)
	})
	<-s.ended
}
