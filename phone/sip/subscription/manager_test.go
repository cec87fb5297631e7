package subscription

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tincan/store"
	"tincan/store/storetest"
)

// toy is a package whose state is a word.
type toy struct {
	mu    sync.Mutex
	words map[string]string
}

func (t *toy) Name() string        { return "toy" }
func (t *toy) Types() []string     { return []string{"text/toy"} }
func (t *toy) Pace() time.Duration { return time.Second }

func (t *toy) Find(_, resource string) *Refusal {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.words[resource]; !ok {
		return &Refusal{Code: 404, Reason: "Not Found"}
	}
	return nil
}

func (t *toy) Document(v View) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return []byte(fmt.Sprintf("%s %s %d", v.Entity, t.words[v.Resource], v.Version))
}

func (t *toy) set(resource, word string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.words[resource] = word
}

// desk is a Manager with a phone that answers NOTIFYs as a test says.
type desk struct {
	*Manager
	toy  *toy
	stop func()

	mu   sync.Mutex
	sent []*Notify
	held []func(Outcome)
	hold bool
	next Outcome
	tags int
}

func newDesk(t *testing.T, change ...func(*Config)) *desk {
	d := &desk{toy: &toy{words: map[string]string{"101": "idle", "102": "idle"}}}
	cfg := Config{
		Packages: []Package{d.toy}, Send: d.send, Logger: slog.New(slog.DiscardHandler),
		NewTag: func() string { d.mu.Lock(); defer d.mu.Unlock(); d.tags++; return fmt.Sprint("tag", d.tags) },
	}
	for _, c := range change {
		c(&cfg)
	}
	d.Manager = New(cfg)
	if err := d.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(ctx) }()
	d.stop = func() { cancel(); <-ended }
	return d
}

func (d *desk) send(n *Notify, done func(Outcome)) {
	d.mu.Lock()
	d.sent = append(d.sent, n)
	if d.hold {
		d.held = append(d.held, done)
		d.mu.Unlock()
		return
	}
	o := d.next
	d.mu.Unlock()
	done(o)
}

// told gives what was sent since it was last asked.
func (d *desk) told() (out []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.sent {
		s := string(n.Body)
		if n.Reason != "" {
			s += "/" + n.Reason
		}
		out = append(out, s)
	}
	d.sent = nil
	return out
}

// replies says what NOTIFYs are answered from now on; holds that they are not.
func (d *desk) replies(o Outcome) { d.mu.Lock(); defer d.mu.Unlock(); d.next = o }
func (d *desk) holds()            { d.mu.Lock(); defer d.mu.Unlock(); d.hold = true }

func (d *desk) answer(o Outcome) {
	d.mu.Lock()
	held := d.held
	d.held, d.hold = nil, false
	d.mu.Unlock()
	for _, done := range held {
		done(o)
	}
}

func ask(user string) Ask {
	return Ask{
		Event: "toy", User: user, Watcher: "900", Device: "d", Expires: MaxExpires, Seq: 1,
		Dialog: Dialog{CallID: "c", RemoteTag: "r", Local: "sip:" + user + "@h", Way: Way{Remote: netip.MustParseAddrPort("10.0.0.1:5060")}},
	}
}

func (d *desk) subscribe(t *testing.T, a Ask) (g Grant, no *Refusal) {
	t.Helper()
	d.Subscribe(a, func(got Grant, bad *Refusal) { g, no = got, bad })
	synctest.Wait()
	return g, no
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestStateIsToldAndExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		defer d.stop()
		if _, no := d.subscribe(t, ask("101")); no != nil {
			t.Fatal(no)
		}
		want(t, d.told(), "sip:101@h idle 0")
		time.Sleep(10 * time.Second)
		d.toy.set("101", "busy")
		d.Changed("toy", "101")
		d.Changed("toy", "102")
		synctest.Wait()
		want(t, d.told(), "sip:101@h busy 1")
		for i := range 5 { // within the pace: the last of them, once
			d.toy.set("101", fmt.Sprint("w", i))
			d.Changed("toy", "101")
		}
		synctest.Wait()
		want(t, d.told())
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, d.told(), "sip:101@h w4 2")
		time.Sleep(MaxExpires)
		synctest.Wait()
		want(t, d.told(), "sip:101@h w4 3/timeout")
		if d.Count() != 0 || len(d.watching)+len(d.due)+len(d.watchers)+len(d.devices)+len(d.events) != 0 {
			t.Errorf("left: %d %v %v", d.Count(), d.watching, d.due)
		}
	})
}

func TestOneNotifyIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		defer d.stop()
		d.holds()
		d.subscribe(t, ask("101"))
		want(t, d.told(), "sip:101@h idle 0")
		time.Sleep(time.Minute)
		d.toy.set("101", "busy")
		d.Changed("toy", "101")
		synctest.Wait()
		want(t, d.told())
		d.answer(Outcome{})
		synctest.Wait()
		want(t, d.told(), "sip:101@h busy 1")
	})
}

func TestOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		defer d.stop()
		d.replies(Outcome{Verdict: Later, After: 30 * time.Second})
		d.subscribe(t, ask("101"))
		want(t, d.told(), "sip:101@h idle 0")
		d.replies(Outcome{Verdict: Unreachable})
		time.Sleep(30 * time.Second)
		synctest.Wait()
		want(t, d.told(), "sip:101@h idle 1")
		d.Changed("toy", "101")
		time.Sleep(time.Minute)
		synctest.Wait()
		want(t, d.told()) // until its device registers
		d.replies(Outcome{})
		d.Registered("901")
		d.Registered("900")
		synctest.Wait()
		want(t, d.told(), "sip:101@h idle 2")
		d.replies(Outcome{Verdict: Refused})
		time.Sleep(time.Second)
		d.Changed("toy", "101")
		synctest.Wait()
		if d.Count() != 0 {
			t.Error("a refused NOTIFY ends it")
		}
	})
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		defer d.stop()
		g, _ := d.subscribe(t, ask("101"))
		d.told()
		again := func(change func(*Ask)) int {
			a := ask("")
			a.Seq = d.subs[g.Tag].RemoteSeq + 1
			change(&a)
			code := 200
			d.Refresh(g.Tag, a, func(_ Grant, no *Refusal) {
				if no != nil {
					code = no.Code
				}
			})
			synctest.Wait()
			return code
		}
		for _, c := range []struct {
			want   int
			change func(*Ask)
		}{
			{200, func(a *Ask) { a.Default = true }},
			{500, func(a *Ask) { a.Seq -= 1 }},
			{481, func(a *Ask) { a.Dialog.RemoteTag = "other" }},
			{481, func(a *Ask) { a.Watcher = "901" }},
			{403, func(a *Ask) { a.ID = "2" }},
			{423, func(a *Ask) { a.Expires = time.Second }},
			{200, func(a *Ask) { a.Expires = 2 * time.Minute }},
		} {
			if got := again(c.change); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		}
		want(t, d.told(), "sip:101@h idle 1", "sip:101@h idle 2")
		if got := again(func(a *Ask) { a.Expires = 0 }); got != 200 {
			t.Errorf("got %d", got)
		}
		want(t, d.told(), "sip:101@h idle 3/timeout")
		if d.Count() != 0 {
			t.Error("unsubscribed")
		}
	})
}

func TestRatesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		defer d.stop()
		a := ask("101")
		a.MaxRate, a.MinRate = 0.1, 0.05
		d.subscribe(t, a)
		want(t, d.told(), "sip:101@h idle 0")
		d.Changed("toy", "101")
		time.Sleep(9 * time.Second)
		synctest.Wait()
		want(t, d.told())
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, d.told(), "sip:101@h idle 1")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		want(t, d.told(), "sip:101@h idle 2")
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		defer d.stop()
		d.holds()
		for range MaxDevice {
			if _, no := d.subscribe(t, ask("101")); no != nil {
				t.Fatal(no)
			}
		}
		if _, no := d.subscribe(t, ask("101")); no == nil || no.Code != 403 {
			t.Errorf("one more of a device: %v", no)
		}
		a := ask("101")
		a.Device, a.Expires = "other", 0
		if _, no := d.subscribe(t, a); no != nil {
			t.Errorf("another device: %v", no)
		}
	})
}

// A phone that was restarted has its old subscription asked for at once.
func TestOlderOneIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		defer d.stop()
		d.subscribe(t, ask("101"))
		d.told()
		time.Sleep(time.Minute)
		d.replies(Outcome{Verdict: Refused})
		d.holds()
		d.subscribe(t, ask("101"))
		if got := d.told(); len(got) != 2 {
			t.Errorf("told %q, want both", got)
		}
		held := d.held
		held[0](Outcome{Verdict: Refused})
		held[1](Outcome{})
		if d.Count() != 1 {
			t.Errorf("%d subscriptions", d.Count())
		}
	})
}

func TestObjectsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members := []string{"101", "102"}
		d := newDesk(t, func(c *Config) {
			c.List = func(name string) ([]string, bool) { return members, name == "all" }
		})
		defer d.stop()
		a := ask("all")
		if _, no := d.subscribe(t, a); no == nil || no.Code != 421 {
			t.Errorf("a list for who knows none: %v", no)
		}
		a.Lists = true
		d.subscribe(t, a)
		d.subscribe(t, ask("102"))
		got := d.told()
		if len(got) != 2 || !strings.Contains(got[0], `fullState="true"`) || !strings.Contains(got[0], "sip:102@h idle 0") || !strings.Contains(got[0], "sip:101@h idle 0") {
			t.Errorf("told %q", got)
		}
		time.Sleep(time.Second)
		d.toy.set("102", "busy")
		d.Changed("toy", "102")
		synctest.Wait()
		got = d.told()
		if len(got) != 2 || !strings.Contains(got[0]+got[1], `fullState="false"`) || strings.Contains(got[0]+got[1], "101@h") {
			t.Errorf("told %q", got)
		}
		delete(d.toy.words, "102")
		members = []string{"101"}
		time.Sleep(time.Second)
		d.Reload(func(string) bool { return true })
		synctest.Wait()
		got = d.told()
		if len(got) != 2 || !strings.Contains(got[0]+got[1], "/noresource") || strings.Contains(got[0]+got[1], "102@h") {
			t.Errorf("told %q", got)
		}
		time.Sleep(time.Second)
		d.Reload(func(string) bool { return false })
		synctest.Wait()
		if got = d.told(); len(got) != 1 || !strings.HasSuffix(got[0], "/rejected") || d.Count() != 0 {
			t.Errorf("told %q", got)
		}
	})
}

// Sequence numbers go on above all that were used, however the process ended.
func TestRestart(t *testing.T) { storetest.Each(t, testRestart) }

func testRestart(t *testing.T, where string) {
	s, err := store.Open(t.Context(), where, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(context.Background()) }()
	kept := func(c *Config) { c.Store = s }
	d := newDesk(t, kept)
	granted := make(chan Grant, 1)
	d.Subscribe(ask("101"), func(g Grant, no *Refusal) { granted <- g })
	<-granted
	for range 3 * seqReserve {
		d.mu.Lock()
		n := len(d.sent)
		d.mu.Unlock()
		d.Manager.mu.Lock()
		for _, s := range d.subs {
			s.dirty, s.earliest = true, time.Time{}
			d.fix(s)
		}
		d.Manager.mu.Unlock()
		d.wake()
		d.await(t, n+1)
	}
	last := d.sent[len(d.sent)-1].Seq
	d.stop()
	again := newDesk(t, kept)
	defer again.stop()
	again.await(t, 1)
	if n := again.sent[0]; n.Seq <= last || n.Dialog.CallID != "c" || n.Reason != "" {
		t.Errorf("after %d came %+v", last, n)
	}
}

func (d *desk) await(t *testing.T, n int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		d.mu.Lock()
		have := len(d.sent)
		d.mu.Unlock()
		if have >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d NOTIFYs, want %d", have, n)
		}
		time.Sleep(time.Millisecond)
	}
}

// BenchmarkMemory: what stands costs about what the package says.
func BenchmarkMemory(b *testing.B) {
	d := &desk{toy: &toy{words: map[string]string{"101": "idle"}}}
	m := New(Config{Packages: []Package{d.toy}, Send: func(_ *Notify, f func(Outcome)) { f(Outcome{}) }, Logger: slog.New(slog.DiscardHandler), NewTag: func() string { d.tags++; return fmt.Sprint("0123456789abcdef", d.tags) }})
	b.ReportAllocs()
	for i := range b.N {
		a := ask("101")
		a.Device = fmt.Sprint(i)
		a.Watcher = a.Device
		m.Subscribe(a, func(Grant, *Refusal) {})
		if i%10000 == 9999 {
			m = New(m.cfg)
		}
	}
}
