package sip

import (
	"sync"
	"time"

	"tincan/phone/sip/transaction"
)

// okResend repeats a 2xx until it is stopped by the ACK, or gives up after
// 64*T1. Over TCP too: a proxy may lose it on the way (RFC 3261 13.3.1.4).
type okResend struct{ run *resending }

type resending struct {
	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	wait    time.Duration
	left    time.Duration
	stopped bool
}

func (o *okResend) start(t transaction.Timers, send, giveUp func()) {
	o.stop()
	r := &resending{wait: t.T1, left: t.Lifetime()}
	o.run = r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = time.AfterFunc(r.wait, func() {
		switch r.tick(t.T2) {
		case again:
			send()
		case enough:
			giveUp()
		}
	})
}

type next uint8

const (
	nothing next = iota
	again
	enough
)

func (r *resending) tick(t2 time.Duration) next {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return nothing
	}
	if r.left -= r.wait; r.left <= 0 {
		return enough
	}
	r.wait = min(2*r.wait, t2, r.left)
	r.timer.Reset(r.wait)
	return again
}

func (o *okResend) stop() {
	r := o.run
	if r == nil {
		return
	}
	o.run = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	r.timer.Stop()
}
