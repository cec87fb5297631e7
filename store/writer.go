package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// MaxQueue bounds the jobs that wait for the writer: some seconds of the
	// busiest server (a job is two words and its closure).
	MaxQueue = 8192
	// MaxSpool bounds the jobs that wait in memory while the database is down:
	// about three minutes of 100 calls a second, some 20 MB of closures.
	MaxSpool = 20000
	// maxGroup bounds the jobs of one transaction, so that the first of them does
	// not wait for ever and a rollback stays cheap.
	maxGroup = 256
	// linger is how long the writer waits for company, only when the last group
	// had some: a lone job is never delayed.
	linger = 2 * time.Millisecond
	// soonTime is how long a job of WriteSoon waits at most for others to share
	// its transaction.
	soonTime = 20 * time.Millisecond
	// retryFirst and retryMost bound the pause between attempts to reach a
	// database that is down; it doubles in between.
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

// transactor runs jobs in one transaction; *link, or a test's.
type transactor interface {
	transact([]Job) error
	close()
}

// entry is a job and who asks.
type entry struct {
	job   Job
	done  func(error)
	alone context.Context // not nil: a transaction of its own, not spooled
}

func (e entry) finish(err error) {
	if e.done != nil {
		e.done(err)
	}
}

// writer owns the connection that writes. put and status may be called from
// anywhere; all else belongs to the goroutine of run.
type writer struct {
	link   transactor
	log    *slog.Logger
	events func(Event)
	ended  chan struct{}

	gate   sync.RWMutex // guards closed, and queue against a send after close
	closed bool
	queue  chan entry

	mu   sync.Mutex // guards now, soon and wake
	now  Status
	soon []entry     // they go with the next group
	wake *time.Timer // that sees to it that there is one

	// of the goroutine
	held   *entry // taken from the queue, not of the group before it
	loaded bool   // the last group had company
	down   error  // not nil: the database does not write
	full   bool   // the spool ran over in this outage
	pause  time.Duration
	retry  *time.Timer
	spool  []entry
	jobs   []Job // reused
}

func newWriter(l transactor, opts Options) *writer {
	w := &writer{
		link: l, log: opts.Logger, events: opts.Events,
		queue: make(chan entry, MaxQueue), ended: make(chan struct{}),
		retry: time.NewTimer(time.Hour),
	}
	w.retry.Stop()
	return w
}

// put never blocks.
func (w *writer) put(e entry) {
	w.gate.RLock()
	defer w.gate.RUnlock()
	if w.closed {
		go e.finish(ErrClosed)
		return
	}
	select {
	case w.queue <- e:
	default:
		w.count(func(s *Status) { s.Lost++ })
		go e.finish(ErrFull) // the caller may hold what done wants
	}
}

// putSoon never blocks. Its entry goes with the next group, after soonTime at
// the latest.
func (w *writer) putSoon(e entry) {
	w.gate.RLock()
	defer w.gate.RUnlock()
	if w.closed {
		go e.finish(ErrClosed)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.soon) >= MaxQueue {
		w.now.Lost++
		go e.finish(ErrFull)
		return
	}
	w.soon = append(w.soon, e)
	if len(w.soon) == 1 {
		w.wake = time.AfterFunc(soonTime, w.hurry)
	}
}

// hurry begins a group with the first of those that wait.
func (w *writer) hurry() {
	for _, e := range w.takeSoon(1) {
		w.put(e)
	}
}

// takeSoon takes up to n of those that wait for a group.
func (w *writer) takeSoon(n int) []entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	n = min(n, len(w.soon))
	taken := append([]entry(nil), w.soon[:n]...)
	w.soon = append(w.soon[:0], w.soon[n:]...)
	clear(w.soon[len(w.soon):cap(w.soon)])
	switch {
	case w.wake == nil:
	case len(w.soon) == 0:
		w.wake.Stop()
	default:
		w.wake.Reset(soonTime)
	}
	return taken
}

// close lets the goroutine write what waits and waits for its end.
func (w *writer) close(ctx context.Context) error {
	w.gate.Lock()
	if !w.closed {
		w.closed = true
		for _, e := range w.takeSoon(MaxQueue) {
			select {
			case w.queue <- e:
			default:
				go e.finish(ErrFull)
			}
		}
		close(w.queue)
	}
	w.gate.Unlock()
	select {
	case <-w.ended:
	case <-ctx.Done():
		return fmt.Errorf("store: closing: %w; %d writes still waited", ctx.Err(), len(w.queue)+w.status().Spooled)
	}
	if n := w.status().Spooled; n > 0 {
		return fmt.Errorf("store: closed while the database was down; %d writes are lost", n)
	}
	return nil
}

func (w *writer) run() {
	defer close(w.ended)
	defer w.link.close()
	for {
		select {
		case e, open := <-w.queue:
			if !open {
				if w.down != nil {
					w.replay()
				}
				return
			}
			w.take(e)
		case <-w.retry.C:
			w.replay()
		}
	}
}

// take writes e, with whatever waits behind it.
func (w *writer) take(e entry) {
	w.held = &e
	for w.held != nil {
		first := *w.held
		w.held = nil
		if first.alone != nil {
			w.single(first)
			continue
		}
		w.write(w.gather(first))
	}
}

// gather takes what waits behind first, up to maxGroup.
func (w *writer) gather(first entry) []entry {
	group := []entry{first}
	var company <-chan time.Time
	if w.loaded && w.down == nil {
		timer := time.NewTimer(linger)
		defer timer.Stop()
		company = timer.C
	}
	for len(group) < maxGroup {
		e, ok := w.next(company)
		if !ok {
			break
		}
		if e.alone != nil {
			w.held = &e
			break
		}
		group = append(group, e)
	}
	w.loaded = len(group) > 1
	return append(group, w.takeSoon(maxGroup-len(group))...)
}

// next takes one from the queue, waiting at most until company fires (nil: not
// at all).
func (w *writer) next(company <-chan time.Time) (entry, bool) {
	if company == nil {
		select {
		case e, open := <-w.queue:
			return e, open
		default:
			return entry{}, false
		}
	}
	select {
	case e, open := <-w.queue:
		return e, open
	case <-company:
		return entry{}, false
	}
}

// single writes an Update.
func (w *writer) single(e entry) {
	if err := e.alone.Err(); err != nil {
		e.finish(err)
		return
	}
	if w.down != nil {
		e.finish(&outage{w.down})
		return
	}
	err := w.transact([]entry{e})
	if err == nil {
		w.count(func(s *Status) { s.Jobs++; s.Groups++ })
	}
	e.finish(err)
}

// write writes a group, or what of it can be written.
func (w *writer) write(group []entry) {
	if w.down != nil {
		w.keep(group)
		return
	}
	err := w.transact(group)
	switch {
	case err == nil:
		w.count(func(s *Status) { s.Jobs += uint64(len(group)); s.Groups++ })
		for _, e := range group {
			e.finish(nil)
		}
	case errors.Is(err, ErrDown):
		w.fall(err, group)
	case len(group) == 1:
		w.count(func(s *Status) { s.Failed++ })
		group[0].finish(err)
	default: // one of them is bad: each alone, so that it sinks no other
		for i := range group {
			w.write(group[i : i+1])
		}
	}
}

func (w *writer) transact(group []entry) error {
	w.jobs = w.jobs[:0]
	for _, e := range group {
		w.jobs = append(w.jobs, e.job)
	}
	err := w.link.transact(w.jobs)
	clear(w.jobs)
	return err
}

// count changes the status.
func (w *writer) count(change func(*Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.now)
}

func (w *writer) status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.now
	s.Queued = len(w.queue) + len(w.soon)
	return s
}
