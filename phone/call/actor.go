package call

import "sync"

// maxMailbox bounds the messages waiting for one call. A party that floods its
// call (INFO, re-INVITE) ends it.
const maxMailbox = 1024

// actor handles messages one at a time in the order in which they were posted.
// Its goroutine exists only while there is something to handle: a standing
// call costs no stack.
type actor struct {
	handle func(any)

	mu      sync.Mutex // guards what follows
	queue   []any
	running bool
}

// post never blocks. It reports false when the mailbox is full.
func (a *actor) post(m any) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) >= maxMailbox {
		return false
	}
	a.queue = append(a.queue, m)
	if !a.running {
		a.running = true
		go a.run()
	}
	return true
}

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
