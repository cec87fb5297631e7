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
	handle func(any)

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
		go a.run()
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
