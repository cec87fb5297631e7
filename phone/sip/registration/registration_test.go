package registration

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// carrier answers what a test says, and notes when it was asked for what.
type carrier struct {
	start   time.Time
	asked   []ask
	answers []Answer // the last one for ever
	held    func(Answer)
	hold    bool
	phases  []Phase
	errors  []string
}

type ask struct {
	At      time.Duration
	Expires time.Duration
}

func (c *carrier) client(random float64) *Client {
	c.start = time.Now()
	return New(Config{Expires: 10 * time.Minute, Send: c.send, Rand: func() float64 { return random }, Changed: func(s State) {
		if n := len(c.phases); n == 0 || c.phases[n-1] != s.Phase {
			c.phases = append(c.phases, s.Phase)
		}
		c.errors = append(c.errors, s.Error)
	}})
}

func (c *carrier) send(expires time.Duration, done func(Answer)) {
	c.asked = append(c.asked, ask{time.Since(c.start), expires})
	if c.hold {
		c.held = done
		return
	}
	a := c.answers[0]
	if len(c.answers) > 1 {
		c.answers = c.answers[1:]
	}
	done(a)
}

func (c *carrier) want(t *testing.T, asked ...ask) {
	t.Helper()
	if d := cmp.Diff(asked, c.asked); d != "" {
		t.Errorf("REGISTERs: %s", d)
	}
}

func stop(c *Client) { c.Stop(false, func() {}) }

// pass lets time pass, and what happens in it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

const (
	ten  = 10 * time.Minute
	hour = time.Hour
)

func TestRefreshedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{answers: []Answer{{Code: 200}, {Code: 200, Granted: 2 * time.Minute}, {Code: 200, Granted: 8 * time.Second}, {Code: 200, Granted: time.Second}, {Code: 200, Granted: hour}}}
		r := c.client(0)
		defer stop(r)
		r.Start()
		pass(20 * time.Minute)
		c.want(
			t, ask{0, ten}, ask{8 * time.Minute, ten}, ask{9 * time.Minute, ten}, ask{9*time.Minute + 5*time.Second, ten},
			ask{9*time.Minute + 10*time.Second, ten}, // never faster, whatever is granted
		)
		if d := cmp.Diff([]Phase{Registering, Registered}, c.phases); d != "" {
			t.Error(d) // refreshes change nothing that anybody sees
		}
	})
}

// At every grant and every chance the refresh comes before the end, with time for
// a second one where there can be.
func TestRefreshIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lasts := time.Duration(rapid.Int64Range(int64(10*time.Second), int64(longestGrant)).Draw(t, "lasts"))
		c := &Client{cfg: Config{Rand: func() float64 { return rapid.Float64Range(0, 0.999).Draw(t, "random") }}}
		at := c.refresh(lasts)
		if at < lasts/4 || at > lasts-lasts/5 || lasts > 2*time.Minute && lasts-at < 35*time.Second {
			t.Fatalf("of %v refreshed after %v", lasts, at)
		}
	})
}

func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{answers: []Answer{{Err: errors.New("nobody there")}}}
		r := c.client(1)
		defer stop(r)
		r.Start()
		pass(2 * hour)
		at, want := time.Duration(0), []ask{}
		for _, pause := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 30 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
			if at > 2*hour {
				break
			}
			want = append(want, ask{at, ten})
			at += pause
		}
		c.want(t, want...)
		if s := r.State(); s.Phase != Waiting || s.Error != "nobody there" {
			t.Errorf("%+v", s)
		}
	})
}

func TestTooBriefIsRaised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{answers: []Answer{{Code: 423, MinExpires: hour}, {Code: 200}, {Code: 200}}}
		r := c.client(0)
		defer stop(r)
		r.Start()
		pass(hour)
		c.want(t, ask{0, ten}, ask{0, hour}, ask{48 * time.Minute, hour})
	})
	synctest.Test(t, func(t *testing.T) { // a 423 that never has enough, or too much
		for _, least := range []time.Duration{hour, 48 * hour, 0} {
			c := &carrier{answers: []Answer{{Code: 423, Reason: "Too Brief", MinExpires: least}, {Code: 423, MinExpires: 2 * hour}}}
			r := c.client(0)
			r.Start()
			pass(time.Second)
			if n := len(c.asked); n > 2 || r.State().Phase != Waiting {
				t.Errorf("%v: asked %d times in a second, %+v", least, n, r.State())
			}
			stop(r)
		}
	})
}

func TestRefusedIsLeftAlone(t *testing.T) {
	for _, a := range []Answer{{Code: 403, Reason: "Forbidden"}, {Code: 404, Reason: "Not Found"}, {Code: 401, Rejected: true, Err: errors.New("wrong")}} {
		synctest.Test(t, func(t *testing.T) {
			c := &carrier{answers: []Answer{a, {Code: 200}}}
			r := c.client(0)
			defer stop(r)
			r.Start()
			pass(refusedPause - 1)
			c.want(t, ask{0, ten})
			if s := r.State(); s.Phase != Refused || s.Error == "" {
				t.Errorf("%+v", s)
			}
			pass(time.Second)
			if s := r.State(); s.Phase != Registered || s.Error != "" {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	for said, want := range map[time.Duration]time.Duration{time.Second: shortestRefresh, time.Minute: time.Minute, 100 * hour: longestPause} {
		synctest.Test(t, func(t *testing.T) {
			c := &carrier{answers: []Answer{{Code: 503, RetryAfter: said}}}
			r := c.client(0)
			defer stop(r)
			r.Start()
			if got := time.Until(r.State().Next); got != want {
				t.Errorf("%v: again after %v", said, got)
			}
		})
	}
}

// While a registration lasts a refresh that fails changes nothing but the reason,
// and is tried again before the end.
func TestFailedRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{answers: []Answer{{Code: 200}, {Code: 500, Reason: "Oops"}, {Code: 500, Reason: "Oops"}, {Code: 200}}}
		r := c.client(1)
		defer stop(r)
		r.Start()
		pass(9*time.Minute + 40*time.Second)
		if s := r.State(); s.Phase != Registered || len(c.asked) != 4 {
			t.Errorf("%+v after %v", s, c.asked)
		}
		if d := cmp.Diff([]Phase{Registering, Registered}, c.phases); d != "" {
			t.Error(d)
		}
	})
}

func TestLostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{answers: []Answer{{Code: 200}}}
		r := c.client(0.5)
		defer stop(r)
		r.Start()
		pass(time.Minute)
		r.Lost()
		pass(2 * time.Second)
		c.want(t, ask{0, ten}, ask{time.Minute + 1500*time.Millisecond, ten})
	})
}

func TestGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{answers: []Answer{{Code: 200}}}
		r := c.client(0)
		r.Start()
		ended := false
		r.Stop(true, func() { ended = true })
		pass(hour)
		c.want(t, ask{0, ten}, ask{0, 0})
		if !ended {
			t.Error("nobody was told that it ended")
		}
		// One that never was registered has nothing to say goodbye to; nor has one
		// that is to be taken up again.
		c = &carrier{answers: []Answer{{Code: 403}}}
		r = c.client(0)
		r.Start()
		r.Stop(true, func() {})
		c.want(t, ask{0, ten})
	})
}

// An answer that comes after the end, or twice, changes nothing.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{hold: true}
		r := c.client(0)
		r.Start()
		stop(r)
		c.held(Answer{Code: 200})
		pass(hour)
		if s := r.State(); s.Phase != Registering || len(c.asked) != 1 {
			t.Errorf("%+v, asked %v", s, c.asked)
		}
	})
}
