// Package call owns calls: legs joined by bridges. It knows no protocol.
//
//	Leg events ─┐
//	timers ─────┼─> Call's mailbox ─> one message at a time ─> Leg methods
//	other calls ┘                                          └─> media.Join
//
// Each call handles its messages one after the other on a goroutine that lives
// only while there are any; no lock is held across calls, and nothing in a
// handler blocks: the ledger, the router's look-ups and other calls answer by
// message. Readers (status, panel) get snapshots.
package call

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tincan/bus"
	"tincan/phone/call/record"
	"tincan/phone/event"
	"tincan/phone/media"
)

// Party is who calls: an extension or a trunk.
type Party struct {
	Ref    string   // destination form: extension:101, trunk:load; or Stranger
	Number string   // what the called party is shown
	Name   string   // likewise; may be empty
	Codecs []string // that it may use, in order; empty: all
	// Private is a caller who asks not to be shown (RFC 3323).
	Private bool
}

// Stranger is the Ref of a caller without an account who calls a public
// destination.
const Stranger = "stranger"

// Setup is what a destination is dialled with.
type Setup struct {
	CallID      string // of the call, for logs
	From        Party
	Dialled     string
	Offer       media.Description // of the caller
	MaxForwards int
	// Barred, if not nil, is why the caller's media cannot be taken: the call ends
	// with that.
	Barred     *Cause
	ReferredBy string      // party that sent the caller here; "": nobody
	Diverted   []Diversion // numbers called before this one, the first one first
	Device     string      // of the called extension, the one that is meant; "": all
	AnswerMode string      // "auto": the called phone is asked to answer by itself
}

// Attempt is a destination being called.
type Attempt struct {
	Legs []Leg
	Ring time.Duration // how long it may ring; 0: as the Exchange says
}

// Router finds destinations and makes the legs that lead there; cmd puts it
// together from the dialplan, SIP and the applications.
type Router interface {
	// Route gives the destination that a number means to a party.
	Route(from Party, number string) (destination string, ok bool)
	// Dial calls a destination: one leg a device. Events go to owner, possibly
	// before Dial returns. Its error is a Cause where one fits.
	Dial(destination string, s Setup, owner Owner) (Attempt, error)
	// Revive makes a leg again from its State.
	Revive(kind string, state []byte, owner Owner) (Leg, error)
}

// Ledger keeps records and standing calls; done is called once it is written
// or safely spooled. *record.Ledger is one.
type Ledger interface {
	End(rec record.Record, done func(error))
	Stand(id string, state []byte, done func(error))
}

// Config is what an Exchange depends on; none may be nil but Music.
type Config struct {
	Node     string
	Router   Router
	Ledger   Ledger
	Bus      *bus.Bus
	Logger   *slog.Logger
	RingTime time.Duration // until an unanswered call is given up
	NewID    func() string // IDs sort by the time at which they were made
	// Music gives what a party on hold hears, from media goroutines as
	// media.Source says; false: silence.
	Music func() (media.Source, bool)
}

// MaxCalls bounds the calls at once; more are refused with 503.
const MaxCalls = 20_000

// Exchange has the calls. Safe for any goroutine.
type Exchange struct {
	cfg     Config
	workers workers
	watch   atomic.Pointer[func(*Snapshot)]

	mu       sync.Mutex // guards what follows
	calls    map[string]*Call
	draining bool
	empty    chan struct{} // closed when draining and no call is left
	total    uint64
}

// New makes an Exchange without calls.
func New(cfg Config) *Exchange {
	return &Exchange{cfg: cfg, calls: map[string]*Call{}, empty: make(chan struct{})}
}

// Reconfigure changes how long calls made from now on may ring.
func (x *Exchange) Reconfigure(ringTime time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cfg.RingTime = ringTime
}

func (x *Exchange) ringTime() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cfg.RingTime
}

// Incoming begins a call with the leg that called in.
func (x *Exchange) Incoming(leg Leg, s Setup) {
	c := newCall(x, s)
	c.a = leg
	if cause, ok := x.add(c); !ok {
		letGo(leg, cause)
		return
	}
	leg.Own(c)
	c.actor.post(begin{})
}

func (x *Exchange) add(c *Call) (Cause, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.draining:
		return Shutdown, false
	case len(x.calls) >= MaxCalls:
		return Cause{Kind: "failed", Code: 503, Text: "too many calls"}, false
	}
	x.calls[c.id] = c
	x.total++
	return Cause{}, true
}

func (x *Exchange) remove(c *Call) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.calls[c.id] != c {
		return
	}
	delete(x.calls, c.id)
	if x.draining && len(x.calls) == 0 {
		close(x.empty)
	}
}

// Call finds a standing call.
func (x *Exchange) Call(id string) (*Call, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c, ok := x.calls[id]
	return c, ok
}

// Counts gives the calls at present and since start.
func (x *Exchange) Counts() (now int, total uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.calls), x.total
}

// Snapshots gives all calls as they last were, oldest first.
func (x *Exchange) Snapshots() []Snapshot {
	x.mu.Lock()
	all := make([]*Call, 0, len(x.calls))
	for _, c := range x.calls {
		all = append(all, c)
	}
	x.mu.Unlock()
	out := make([]Snapshot, 0, len(all))
	for _, c := range all {
		out = append(out, c.Snapshot())
	}
	slices.SortFunc(out, func(a, b Snapshot) int {
		if c := a.Start.Compare(b.Start); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Enter says that the caller is about to bring events to calls; Leave handles
// what came of them on the caller's goroutine. The caller must hold no lock at
// Leave, and neither of the two is needed: events posted outside of them are
// handled by goroutines of their own.
func (x *Exchange) Enter() { x.workers.enter() }

// Leave ends what Enter began.
func (x *Exchange) Leave() { x.workers.leave() }

// Drain refuses new calls, waits for the running ones until ctx ends, then
// hangs up what is left and waits for the records, at most hangupTime.
func (x *Exchange) Drain(ctx context.Context) {
	x.mu.Lock()
	if !x.draining {
		x.draining = true
		if len(x.calls) == 0 {
			close(x.empty)
		}
	}
	x.mu.Unlock()
	select {
	case <-x.empty:
		return
	case <-ctx.Done():
	}
	for _, s := range x.Snapshots() {
		x.Hangup(s.ID, Shutdown)
	}
	select {
	case <-x.empty:
	case <-time.After(hangupTime):
	}
}

// hangupTime is how long the last calls may take to be written at shutdown.
const hangupTime = 3 * time.Second

// Hangup ends a call from the server's side. It reports whether there was one.
func (x *Exchange) Hangup(id string, why Cause) bool {
	c, ok := x.Call(id)
	if ok {
		c.actor.post(end{why})
	}
	return ok
}

func (x *Exchange) publish(c *Call, step, detail string) {
	if !x.cfg.Bus.Listened() {
		return
	}
	x.cfg.Bus.Publish(event.Call{
		Time: time.Now(), ID: c.id, Step: step, From: c.setup.From.Ref, To: c.to(), Detail: detail,
	})
}
