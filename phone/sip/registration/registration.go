// Package registration keeps us registered at another system (RFC 3261 10.2):
// when to send a REGISTER again, and what its answer means. It sends nothing
// itself.
//
//	Start ─> Registering ──2xx──> Registered ──refresh, Lost──┐
//	              ^  ^               (as long as granted)     │
//	              │  └────────────────────────────────────────┘
//	              ├──pause── Waiting  <── no answer, 5xx, 423 again ...
//	              └──an hour── Refused <── 403, wrong password, unknown account
//
// There are no goroutines: timers and answers call in, and nothing is called
// but Changed with the mutex held.
package registration

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Pauses between attempts (RFC 5626 4.5): doubled from failure to failure, and
// the wait is a random part of it so that clients of one registrar do not come
// back all at once.
const (
	firstPause   = 30 * time.Second
	longestPause = 30 * time.Minute
	// refusedPause is after an answer that will be the same the next time: short
	// enough that a carrier's own mistake heals overnight, long enough that nobody's
	// guard takes us for an attacker.
	refusedPause = time.Hour
	// longestGrant bounds what a 423 or a 200 can ask for.
	longestGrant = 24 * time.Hour
	// shortestRefresh keeps a registrar that grants next to nothing from a flood.
	shortestRefresh = 5 * time.Second
	// lostPause is after the connection of a registration ended.
	lostPause = time.Second
)

// Phase is where a registration is.
type Phase string

// The phases, in the words that people are shown.
const (
	Idle        Phase = "off"
	Registering Phase = "registering"
	Registered  Phase = "registered"
	Waiting     Phase = "waiting" // to try again
	Refused     Phase = "refused" // likewise, but it will hardly help
)

// State is a registration at one moment.
type State struct {
	Phase Phase
	Since time.Time // in this phase
	Until time.Time // Registered: when it runs out
	Next  time.Time // when a REGISTER is sent next
	Error string    // of the last attempt that failed; "" after one that did not
}

// Answer is what became of a REGISTER.
type Answer struct {
	Code       int // 0: nobody answered
	Reason     string
	Err        error         // why nobody answered, or why a challenge was not
	Rejected   bool          // the password was given, and is wrong
	Granted    time.Duration // by a 2xx; 0: it does not say
	MinExpires time.Duration // of a 423
	RetryAfter time.Duration
}

// Config is what a Client depends on; none may be nil but Rand.
type Config struct {
	// Expires is what is asked for.
	Expires time.Duration
	// Send sends a REGISTER and calls done once, from any goroutine, also before it
	// returns; expires 0 ends the registration. It must not block.
	Send func(expires time.Duration, done func(Answer))
	// Changed hears of each new state, in order, and must not call back.
	Changed func(State)
	// Rand is random in [0, 1); nil: math/rand.
	Rand func() float64
}

// Client is one registration. Safe for any goroutine.
type Client struct {
	cfg Config

	mu       sync.Mutex // guards what follows
	state    State
	timer    *time.Timer
	failures int
	expires  time.Duration // asked for, a 423 has raised it
	raised   bool          // by the last answer
	turn     uint64        // of the REGISTER that is out; an answer to another is late
	stopped  bool
}

// New makes a Client that sends nothing before Start.
func New(cfg Config) *Client {
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	return &Client{cfg: cfg, expires: cfg.Expires, state: State{Phase: Idle, Since: time.Now()}}
}

// State is how it stands.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Start registers, and keeps at it until Stop.
func (c *Client) Start() { c.send() }

// Lost tells that the connection of the registration ended: the other side can
// no longer reach us by it.
func (c *Client) Lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Phase == Registered && !c.stopped {
		c.wait(lostPause + c.part(lostPause))
	}
}

// Stop ends it. bye, where it was registered, says so to the other side and calls
// done when that is answered or given up; otherwise done is called at once.
func (c *Client) Stop(bye bool, done func()) {
	c.mu.Lock()
	was := c.state.Phase
	asked := was == Registered || was == Registering || time.Now().Before(c.state.Until)
	c.stopped = true
	c.turn++
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	if !bye || !asked {
		done()
		return
	}
	c.cfg.Send(0, func(Answer) { done() })
}

// send sends a REGISTER now.
func (c *Client) send() {
	c.mu.Lock()
	if c.stopped {
		c.mu.Unlock()
		return
	}
	c.turn++
	turn, expires := c.turn, c.expires
	if c.state.Phase != Registered { // a refresh is none of anybody's business
		c.enter(Registering)
	}
	c.mu.Unlock()
	c.cfg.Send(expires, func(a Answer) { c.answered(turn, a) })
}

func (c *Client) answered(turn uint64, a Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || turn != c.turn {
		return
	}
	switch {
	case a.Code >= 200 && a.Code < 300:
		c.granted(a)
	case a.Code == 423 && a.MinExpires > c.expires && a.MinExpires <= longestGrant && !c.raised:
		c.expires, c.raised = a.MinExpires, true
		c.wait(0)
	case a.Rejected, a.Code == 403, a.Code == 404, a.Code == 604: // RFC 3261 10.3: it will not help to ask again
		c.failed(Refused, a, refusedPause)
	default:
		pause := c.pause()
		if a.RetryAfter > 0 {
			pause = max(min(a.RetryAfter, longestPause), shortestRefresh)
		}
		c.failed(Waiting, a, pause)
	}
}

// granted notes a registration that stands. Called with mu held.
func (c *Client) granted(a Answer) {
	c.failures, c.raised = 0, false
	lasts := a.Granted
	if lasts <= 0 {
		lasts = c.expires
	}
	lasts = min(lasts, longestGrant)
	c.state.Until, c.state.Error = time.Now().Add(lasts), ""
	c.wait(c.refresh(lasts))
	if c.state.Phase == Registered {
		c.cfg.Changed(c.state)
		return
	}
	c.enter(Registered)
}

// refresh is when to register again: early enough that a lost REGISTER, with all
// its retransmissions (32 s), leaves time for another, spread so that many
// clients do not fall into step.
func (c *Client) refresh(lasts time.Duration) time.Duration {
	early := lasts / 5
	if lasts < 3*time.Minute {
		early = lasts / 2
	}
	return max(lasts-early-c.part(early/4), shortestRefresh)
}

// failed notes an attempt that brought nothing. A registration that still lasts
// stays one. Called with mu held.
func (c *Client) failed(p Phase, a Answer, pause time.Duration) {
	c.failures++
	c.raised = false
	c.state.Error = a.text()
	now := time.Now()
	if left := c.state.Until.Sub(now); c.state.Phase == Registered && left > 0 && p == Waiting {
		c.wait(min(pause, max(left/2, shortestRefresh)))
		c.cfg.Changed(c.state)
		return
	}
	c.wait(pause)
	c.enter(p)
}

// pause grows with the failures; the wait is half of it to all of it. Called with
// mu held.
func (c *Client) pause() time.Duration {
	p := longestPause
	if c.failures < 6 { // 30 s to 16 min
		p = min(firstPause<<c.failures, longestPause)
	}
	return p/2 + c.part(p/2)
}

func (c *Client) part(d time.Duration) time.Duration {
	return time.Duration(c.cfg.Rand() * float64(d))
}

// wait sets when to send next. Called with mu held.
func (c *Client) wait(d time.Duration) {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.state.Next = time.Now().Add(d)
	c.timer = time.AfterFunc(d, c.send)
}

// enter begins a phase. Called with mu held.
func (c *Client) enter(p Phase) {
	c.state.Phase, c.state.Since = p, time.Now()
	c.cfg.Changed(c.state)
}

func (a Answer) text() string {
	switch {
	case a.Err != nil:
		return a.Err.Error()
	case a.Code == 0:
		return "no answer"
	}
	return fmt.Sprintf("%d %s", a.Code, a.Reason)
}
