package resolve

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tincan/phone/sip/transport"
)

// Cause is why a target is not worth asking for a while.
type Cause uint8

// The causes (RFC 3263 4.3).
const (
	Timeout     Cause = iota // it did not answer within the transaction's time
	Unreachable              // no connection, or the network refused
	Overloaded               // 503 (RFC 3261 21.5.4)
)

// How long a target is passed over, by cause. It is asked before if no other
// is left.
const (
	timeoutPause     = time.Minute      // a host that is dead stays so for a while
	unreachablePause = 30 * time.Second // a process that is restarted is back soon
	overloadedPause  = 10 * time.Second // without Retry-After
	longestPause     = 10 * time.Minute // of a Retry-After that is believed
	maxDown          = 1024             // targets remembered; the soonest to be over are forgotten
)

// Pause is how long a target is passed over. retryAfter is what a 503 said, 0 if
// nothing.
func (c Cause) Pause(retryAfter time.Duration) time.Duration {
	switch {
	case c == Timeout:
		return timeoutPause
	case c == Unreachable:
		return unreachablePause
	case retryAfter > 0:
		return min(retryAfter, longestPause)
	}
	return overloadedPause
}

// Health remembers which targets failed. Safe for any goroutine; the zero value
// is ready.
type Health struct {
	mu   sync.Mutex // guards down
	down map[place]time.Time
}

// place is a target, by whatever name it was found.
type place struct {
	proto transport.Protocol
	addr  netip.AddrPort
}

// Failed notes that a target is to be passed over.
func (h *Health) Failed(t Target, why Cause, retryAfter time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down == nil {
		h.down = map[place]time.Time{}
	}
	now := time.Now()
	h.down[place{t.Protocol, t.Addr}] = now.Add(why.Pause(retryAfter))
	if len(h.down) > maxDown {
		h.room(now)
	}
}

// room forgets what is over, and if nothing is, the soonest. Called with mu held.
func (h *Health) room(now time.Time) {
	var soonest place
	for p, until := range h.down {
		if !now.Before(until) {
			delete(h.down, p)
		} else if s, ok := h.down[soonest]; !ok || until.Before(s) {
			soonest = p
		}
	}
	if len(h.down) > maxDown {
		delete(h.down, soonest)
	}
}

// OK notes that a target has answered.
func (h *Health) OK(t Target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.down, place{t.Protocol, t.Addr})
}

// Down reports whether a target is passed over at present.
func (h *Health) Down(t Target) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	until, ok := h.down[place{t.Protocol, t.Addr}]
	return ok && time.Now().Before(until)
}

// Sort puts the targets that are passed over behind the others; otherwise the
// order stays. A call rather tries a place that was dead a minute ago than none.
func (h *Health) Sort(targets []Target) []Target {
	if len(targets) < 2 {
		return targets
	}
	out := slices.Clone(targets)
	rank := func(t Target) int {
		if h.Down(t) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b Target) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}
