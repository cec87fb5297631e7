package store

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fake is a database in virtual time: it can be down, and takes its time.
type fake struct {
	mu     sync.Mutex // guards down, which tests change meanwhile
	down   error
	cost   time.Duration
	start  time.Time
	groups []int           // sizes of those that were committed
	tries  []time.Duration // when, since start
	closed bool
}

func (f *fake) transact(jobs []Job) error {
	f.tries = append(f.tries, time.Since(f.start))
	time.Sleep(f.cost)
	if err := f.outage(); err != nil {
		return &outage{err}
	}
	for _, job := range jobs {
		if err := job(nil); err != nil {
			return err
		}
	}
	f.groups = append(f.groups, len(jobs))
	return nil
}

func (f *fake) outage() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.down
}

func (f *fake) set(down error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func (f *fake) close() { f.closed = true }

func begin(f *fake) (*writer, *[]Event) {
	events := new([]Event)
	f.start = time.Now()
	w := newWriter(f, Options{
		Logger: slog.New(slog.DiscardHandler),
		Events: func(e Event) { *events = append(*events, e) },
	})
	go w.run()
	return w, events
}

func fine(*Tx) error { return nil }

func end(t *testing.T, w *writer, f *fake) {
	t.Helper()
	if err := w.close(context.Background()); err != nil {
		t.Error(err)
	}
	if !f.closed {
		t.Error("the connection is left open")
	}
}

// A lone write is not delayed; what comes during a commit goes together, and then
// the writer waits 2 ms for company.
func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: 5 * time.Millisecond}
		w, _ := begin(f)
		var at []time.Duration
		note := func(error) { at = append(at, time.Since(f.start)) }
		w.put(entry{job: fine, done: note})
		synctest.Wait()
		w.put(entry{job: fine, done: note}) // during the first commit
		w.put(entry{job: fine, done: note})
		time.Sleep(20 * time.Millisecond)
		w.put(entry{job: fine, done: note}) // waits for company: the last group had some
		time.Sleep(20 * time.Millisecond)
		w.put(entry{job: fine, done: note}) // and now not
		time.Sleep(20 * time.Millisecond)
		end(t, w, f)
		ms := time.Millisecond
		if d := cmp.Diff([]time.Duration{5 * ms, 10 * ms, 10 * ms, 27 * ms, 45 * ms}, at); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]int{1, 2, 1, 1}, f.groups); d != "" {
			t.Error(d)
		}
	})
}

func TestGroupIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: time.Millisecond}
		w, _ := begin(f)
		for range 1 + maxGroup + 10 {
			w.put(entry{job: fine})
		}
		end(t, w, f)
		total := 0
		for _, n := range f.groups {
			total += n
			if n > maxGroup {
				t.Errorf("a group of %d", n)
			}
		}
		if total != 1+maxGroup+10 {
			t.Errorf("%d jobs written", total)
		}
	})
}

// The pauses double from 100 ms to 5 s, and end when the database is back.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{down: errors.New("no disk")}
		w, events := begin(f)
		w.put(entry{job: fine})
		time.Sleep(12 * time.Second)
		f.set(nil)
		time.Sleep(10 * time.Second)
		end(t, w, f)
		var want []time.Duration
		for _, ms := range []int{0, 100, 300, 700, 1500, 3100, 6300, 11300, 16300} {
			want = append(want, time.Duration(ms)*time.Millisecond)
		}
		if d := cmp.Diff(want, f.tries); d != "" {
			t.Error(d)
		}
		if n := len(*events); n != 2 || (*events)[0].State != Down || (*events)[1].State != Up {
			t.Errorf("events %v", *events)
		}
	})
}

// The spool is bounded; what does not fit is told so, and told once as an event.
func TestSpoolFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{down: errors.New("no disk")}
		w, events := begin(f)
		var spooled, full int
		for range MaxSpool + 50 {
			w.put(entry{job: fine, done: func(err error) {
				switch {
				case errors.Is(err, ErrSpooled):
					spooled++
				case errors.Is(err, ErrFull):
					full++
				default:
					t.Error(err)
				}
			}})
			if len(w.queue) > MaxQueue/2 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if spooled != MaxSpool || full != 50 {
			t.Errorf("%d spooled, %d refused", spooled, full)
		}
		if n := len(*events); n != 2 || (*events)[1].State != Spill {
			t.Errorf("events %v", *events)
		}
		if st := w.status(); st.Lost != 50 || st.Spooled != MaxSpool {
			t.Errorf("status %+v", st)
		}
		f.set(nil)
		end(t, w, f) // flushes
		if st := w.status(); st.Jobs != MaxSpool || st.Spooled != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

// A queue that nobody empties refuses; the refusal does not run on the caller.
func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: time.Hour}
		w, _ := begin(f)
		w.put(entry{job: fine})
		synctest.Wait()
		for range MaxQueue {
			w.put(entry{job: fine})
		}
		c := make(chan error) // unbuffered: a done on this goroutine would hang
		w.put(entry{job: fine, done: func(err error) { c <- err }})
		if err := <-c; !errors.Is(err, ErrFull) {
			t.Errorf("%v, want ErrFull", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		}
		end(t, w, f)
	})
}

// A spooled job that is refused for its own sake is dropped; its neighbours are
// written once, even when the database goes down in between.
func TestReplayWithBadJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{down: errors.New("no disk")}
		w, _ := begin(f)
		bad := errors.New("bad")
		ran := map[string]int{}
		job := func(name string, err error) Job {
			return func(*Tx) error {
				if name == "c" && ran["c"] == 0 {
					f.set(errors.New("again"))
					ran["c"]++
					return &outage{f.outage()}
				}
				if err == nil {
					ran[name]++
				}
				return err
			}
		}
		w.put(entry{job: job("a", nil)})
		w.put(entry{job: job("b", bad)})
		w.put(entry{job: job("c", nil)})
		synctest.Wait()
		f.set(nil)
		time.Sleep(time.Second)
		f.set(nil)
		time.Sleep(10 * time.Second)
		end(t, w, f)
		st := w.status()
		if st.Jobs != 2 || st.Lost != 1 || st.Down {
			t.Errorf("status %+v", st)
		}
	})
}

func TestClosedWhileDownCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{down: errors.New("no disk")}
		w, _ := begin(f)
		w.put(entry{job: fine})
		w.put(entry{job: fine})
		if err := w.close(t.Context()); err == nil {
			t.Error("two lost writes, and no error")
		}
	})
}

func TestDollars(t *testing.T) {
	for in, want := range map[string]string{
		"SELECT 1":                       "SELECT 1",
		"a = ? AND b = ?":                "a = $1 AND b = $2",
		"a = '?' AND \"b?\" = ?":         "a = '?' AND \"b?\" = $1",
		"a = 'it''s ?' AND b IN (?, ?) ": "a = 'it''s ?' AND b IN ($1, $2) ",
	} {
		if got := dollars(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// What may wait goes with the next group, alone after 20 ms, and is written at
// the latest when the store closes.
func TestSoonSharesAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		w, _ := begin(f)
		var at []time.Duration
		note := func(error) { at = append(at, time.Since(f.start)) }
		soon := func(n int) {
			for range n {
				w.putSoon(entry{job: fine, done: note})
			}
		}
		soon(2)
		time.Sleep(10 * time.Millisecond)
		w.put(entry{job: fine, done: note}) // takes both along
		time.Sleep(10 * time.Millisecond)
		soon(1)
		time.Sleep(30 * time.Millisecond)
		soon(maxGroup + 1)
		time.Sleep(50 * time.Millisecond)
		soon(1)
		end(t, w, f)
		if d := cmp.Diff([]int{3, 1, maxGroup, 1, 1}, f.groups); d != "" {
			t.Error(d)
		}
		ms := time.Millisecond
		if d := cmp.Diff([]time.Duration{10 * ms, 10 * ms, 10 * ms, 40 * ms}, at[:4]); d != "" {
			t.Error(d)
		}
		w.putSoon(entry{job: fine, done: func(err error) {
			if err != ErrClosed {
				t.Errorf("after closing: %v", err)
			}
		}})
		synctest.Wait()
	})
}
