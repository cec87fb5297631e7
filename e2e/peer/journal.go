package peer

import (
	"context"
	"errors"
	"sync"
)

// errEnded is what waiting ends with when no more entries can come.
var errEnded = errors.New("it ended first")

// journal is what a program has said so far. One goroutine appends, any may
// wait for an entry; mu guards all fields. The zero value is not ready: use
// newJournal.
type journal[T any] struct {
	mu      sync.Mutex
	entries []T
	ended   bool
	changed chan struct{} // closed and replaced at each change
}

func newJournal[T any]() *journal[T] {
	return &journal[T]{changed: make(chan struct{})}
}

func (j *journal[T]) add(entry T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry)
	j.wake()
}

func (j *journal[T]) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = true
	j.wake()
}

func (j *journal[T]) wake() {
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal[T]) all() []T {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[:len(j.entries):len(j.entries)]
}

// await returns the first entry at or after from that matches, and the place
// behind it; it waits for one until ctx is done or the journal ends.
func (j *journal[T]) await(ctx context.Context, from int, match func(T) bool) (T, int, error) {
	var none T
	for at := from; ; {
		entries, ended, changed := j.snapshot()
		for ; at < len(entries); at++ {
			if match(entries[at]) {
				return entries[at], at + 1, nil
			}
		}
		if ended {
			return none, at, errEnded
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return none, at, ctx.Err()
		}
	}
}

func (j *journal[T]) snapshot() (entries []T, ended bool, changed <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[:len(j.entries):len(j.entries)], j.ended, j.changed
}
