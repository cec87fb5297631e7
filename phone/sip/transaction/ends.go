package transaction

import (
	"sync"
	"time"
)

// lingerGrain is what the ends of finished transactions are rounded up to: they
// only forget, so many of them share a timer.
const lingerGrain = 500 * time.Millisecond

// ender is a finished transaction; end may come twice.
type ender interface{ end() }

// ends ends finished transactions when what might still come of them has come.
// One that ended before stays until then. Safe for any goroutine.
type ends struct {
	began time.Time

	mu  sync.Mutex                // guards due
	due map[time.Duration][]ender // by the grain, counted from began; each has a timer
}

// after ends a transaction at the first grain after d, or at once. It never calls
// end itself: the caller may hold the transaction's lock.
func (e *ends) after(d time.Duration, tx ender) {
	if d < lingerGrain {
		time.AfterFunc(d, tx.end)
		return
	}
	now := time.Since(e.began)
	at := (now + d + lingerGrain - 1).Truncate(lingerGrain)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.due[at] == nil {
		time.AfterFunc(at-now, func() { e.reached(at) })
	}
	e.due[at] = append(e.due[at], tx)
}

func (e *ends) reached(at time.Duration) {
	e.mu.Lock()
	all := e.due[at]
	delete(e.due, at)
	e.mu.Unlock()
	for _, tx := range all {
		tx.end()
	}
}
