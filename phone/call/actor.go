package call

import (
	"sync"
	"time"
)

// maxMailbox bounds the messages of parties that wait for one call. Who floods
// its call (INFO, re-INVITE) ends it. The call's own messages (timers, the
// ledger, other calls) are few and always find room.
const maxMailbox = 1024

// actor handles messages one at a time in the order in which they were posted.
// Its goroutine exists only while there is something to handle: a standing
// call costs no stack.
type actor struct {
	handle  func(any)
	workers *workers

	mu      sync.Mutex // guards what follows
	queue   []any
	running bool // or held
	flooded bool
}

// post never blocks.
func (a *actor) post(m any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(m)
}

// offer takes m unless the mailbox is full. The first time that it is, last is
// taken instead.
func (a *actor) offer(m, last any) (taken, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) < maxMailbox {
		a.put(m)
		return true, false
	}
	first = !a.flooded && last != nil
	if first {
		a.flooded = true
		a.put(last)
	}
	return false, first
}

func (a *actor) put(m any) {
	a.queue = append(a.queue, m)
	if !a.running {
		a.running = true
		a.workers.start(a)
	}
}

// hold lets messages wait until release, while the call is being put together.
func (a *actor) hold() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = true
}

func (a *actor) release() { go a.run() }

func (a *actor) run() {
	for {
		a.mu.Lock()
		if len(a.queue) == 0 {
			a.running = false
			a.queue = nil
			a.mu.Unlock()
			return
		}
		batch := a.queue
		a.queue = nil
		a.mu.Unlock()
		for _, m := range batch {
			a.handle(m)
		}
	}
}

// workers are goroutines that run actors and wait a moment for the next one:
// their stacks have grown by then, which a new goroutine's would do anew at
// every message.
type workers struct{ idle chan *actor }

// workerIdle is how long a goroutine waits for another actor.
const workerIdle = 100 * time.Millisecond

func (w *workers) start(a *actor) {
	select {
	case w.idle <- a:
	default:
		go w.work(a)
	}
}

func (w *workers) work(a *actor) {
	idle := time.NewTimer(workerIdle)
	defer idle.Stop()
	for {
		a.run()
		idle.Reset(workerIdle)
		select {
		case a = <-w.idle:
		case <-idle.C:
			return
		}
	}
}
