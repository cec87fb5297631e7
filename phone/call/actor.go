package call

import "sync"

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

// release handles what waited, before it returns.
func (a *actor) release() { a.run() }

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

// workers run actors. Whoever brings messages to calls in a loop (a socket's
// reader, the ledger's writer) does so between enter and leave, and runs what
// came of it by itself: waking another goroutine for each message costs more
// than handling it. Other messages (timers, media) and what is too much for one
// goroutine get goroutines of their own.
type workers struct {
	mu      sync.Mutex // guards what follows
	inside  int        // between enter and leave
	waiting []*actor   // for one of those
}

// maxWaiting bounds what one goroutine takes on.
const maxWaiting = 4

func (w *workers) start(a *actor) {
	w.mu.Lock()
	if w.inside > 0 && len(w.waiting) < maxWaiting {
		w.waiting = append(w.waiting, a)
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	go a.run()
}

func (w *workers) enter() {
	w.mu.Lock()
	w.inside++
	w.mu.Unlock()
}

func (w *workers) leave() {
	for {
		w.mu.Lock()
		n := len(w.waiting)
		if n == 0 {
			w.inside--
			w.mu.Unlock()
			return
		}
		a := w.waiting[0]
		copy(w.waiting, w.waiting[1:])
		w.waiting[n-1] = nil
		w.waiting = w.waiting[:n-1]
		w.mu.Unlock()
		a.run()
	}
}
