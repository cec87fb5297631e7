package call

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tincan/phone/media"
)

// op is one thing that happens in a world of two calls: 0 from leg a to b and
// c, which both ring; 1 from d to an application e. The test handles each
// call's messages one by one, so that everything can come between any two.
type op struct {
	name string
	do   func(*world)
}

func (w *world) named(id string) *leg {
	for _, l := range w.legs {
		if l.id == id {
			return l
		}
	}
	return nil
}

func on(name, id string, f func(*world, *leg)) op {
	return op{name + " " + id, func(w *world) {
		if l := w.named(id); l != nil && l.live() {
			f(w, l)
		}
	}}
}

func incoming(caller, destination string) op {
	return op{"call from " + caller, func(w *world) {
		if w.named(caller) != nil {
			return
		}
		for _, id := range destination {
			kind := map[rune]string{'b': "rtp", 'c': "iax", 'e': "app"}[id]
			w.dials[destination] = append(w.dials[destination], w.newLeg(string(id), kind, pcmu, false))
		}
		w.call(w.newLeg(caller, "rtp", pcmu, true), destination)
	}}
}

func ring(id string, early bool) op {
	return on("ring", id, func(_ *world, l *leg) {
		e := Ringing{Leg: l, Code: 180}
		if d := l.describe(); early {
			e.Code, e.Early = 183, &d
		}
		l.post(e)
	})
}

func accept(id string) op { return on("answer", id, func(_ *world, l *leg) { l.accept() }) }
func leave(id string) op  { return on("leave", id, func(_ *world, l *leg) { l.leave(Normal) }) }

func hangup(i int) op {
	return op{fmt.Sprint("hang up ", i), func(w *world) {
		if i < len(w.calls) {
			w.x.Hangup(w.calls[i].id, Shutdown)
		}
	}}
}

func transferring(leg string, from int, replaced string) op {
	return op{"transfer " + leg + " for " + replaced, func(w *world) {
		if l, r := w.named(leg), w.named(replaced); len(w.calls) == 2 && l != nil && r != nil {
			w.transfer(w.calls[from], l, w.calls[1-from], r)
		}
	}}
}

func offer(id string) op {
	return on("offer", id, func(_ *world, l *leg) {
		d := l.describe()
		d.Streams[0].Direction = media.SendOnly
		l.post(Offered{Leg: l, Offer: d})
	})
}

func reanswer(id string) op {
	return on("reanswer", id, func(_ *world, l *leg) { l.post(Reanswered{Leg: l, Answer: l.describe()}) })
}

func silent(id string) op {
	return on("silence of", id, func(_ *world, l *leg) { l.post(Silent{l}) })
}

func flood(id string) op {
	return on("flood by", id, func(_ *world, l *leg) {
		for range maxMailbox + 10 {
			l.post(Pressed{Leg: l, Digit: media.Digit{Rune: '1'}})
		}
	})
}

func wait(d time.Duration) op {
	return op{"wait " + d.String(), func(*world) { time.Sleep(d); synctest.Wait() }}
}

func step(i int) op { return op{fmt.Sprint("step ", i), func(w *world) { w.step(i) }} }

func flush(all bool) op {
	return op{fmt.Sprint("the store answers, all: ", all), func(w *world) { w.ledger.flush(all) }}
}

// run handles all that waits, in turn.
var run = op{"run", func(w *world) {
	for w.step(0) || w.step(1) {
	}
}}

// story is what usually happens: both calls are answered, b is moved to d in
// the place of e, and hangs up.
func story() []op {
	return []op{
		incoming("a", "bc"), step(0), ring("b", false), step(0), ring("c", true), step(0), accept("b"), step(0), flush(true), step(0),
		incoming("d", "e"), step(1), accept("e"), step(1), flush(true), step(1), offer("d"), step(1),
		transferring("b", 0, "e"), step(0), step(1), step(0), step(1), flush(true), run,
		leave("b"), run, flush(true), run,
	}
}

// faults are what may happen at any moment.
func faults() []op {
	all := []op{
		run, step(0), step(1), hangup(0), hangup(1), flush(false), flush(true),
		transferring("a", 0, "d"), transferring("b", 0, "e"), transferring("d", 1, "a"), transferring("e", 1, "b"), transferring("a", 0, "e"),
		wait(time.Second), wait(3 * time.Second), wait(2 * time.Minute), incoming("d", "e"),
		ring("b", true), ring("c", true), accept("c"), accept("b"), accept("e"),
	}
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		all = append(all, leave(id), flood(id), offer(id), reanswer(id), silent(id))
	}
	return all
}

// play does all that a script says, ends what is left, and tells what is wrong.
func play(t *testing.T, script []op) (problem error) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() {
			if err := w.engine.Close(); err != nil {
				t.Error(err)
			}
		}()
		w.manual, w.ledger.manual = true, true
		for _, o := range script {
			o.do(w)
		}
		for _, c := range w.calls {
			c.actor.release()
		}
		w.ledger.flush(true)
		for i := range w.calls {
			hangup(i).do(w)
		}
		time.Sleep(10 * time.Second) // the store never answers this
		synctest.Wait()
		problem = w.left()
		w.ledger.flush(true)    // or late
		time.Sleep(time.Second) // for goroutines that wait for more work
		synctest.Wait()
		problem = errors.Join(problem, w.left())
	})
	return problem
}

// left tells what a world that is over has left.
func (w *world) left() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if n, _ := w.x.Counts(); n != 0 {
		bad("%d calls are left", n)
	}
	for _, c := range w.calls {
		if n := len(w.ledger.records[c.id]); n != 1 {
			bad("%s has %d records", c.id, n)
			continue
		}
		seen := map[string]int{}
		for _, l := range w.ledger.records[c.id][0].Legs {
			if seen[l.ID]++; seen[l.ID] > 1 {
				bad("%s is recorded twice in %s", l.ID, c.id)
			}
		}
	}
	for _, l := range w.legs {
		if l.owner == nil && l.releases == 0 && len(l.hangups) == 0 && len(w.calls) == 0 {
			continue
		}
		if l.releases != 1 || len(l.hangups) > 1 || len(l.hangups) == 0 && !l.ended {
			bad("leg %s: released %d times, hung up for %v, left by itself: %v", l.id, l.releases, l.hangups, l.ended)
		}
		if len(l.answers) > 1 {
			bad("leg %s was answered %d times", l.id, len(l.answers))
		}
	}
	if w.moves != w.movesDone {
		bad("%d transfers, told of %d", w.moves, w.movesDone)
	}
	if got, want := w.written.get(), w.writtenWanted.get(); got != want {
		bad("%d of those who left were acknowledged, not %d", got, want)
	}
	if used, _ := w.engine.Ports(); used != 0 {
		bad("%d ports are still open", used)
	}
	if len(w.ledger.late) > 0 || len(w.ledger.stands) > 0 {
		bad("written as standing after the end: %v %v", w.ledger.late, w.ledger.stands)
	}
	return errors.Join(errs...)
}

func TestStory(t *testing.T) {
	if err := play(t, story()); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() { _ = w.engine.Close() }()
		w.manual, w.ledger.manual = true, true
		for _, o := range story() {
			o.do(w)
		}
		if w.lastMove != nil || w.movesDone != 1 {
			t.Errorf("the transfer: told %d times, %v", w.movesDone, w.lastMove)
		}
		if err := w.left(); err != nil {
			t.Error(err)
		}
	})
}

// Who is moved into a call that rings was answered where it called, and is not again.
func TestMovedIntoACallThatRings(t *testing.T) {
	if err := play(t, []op{
		incoming("a", "bc"), run, accept("b"), run, flush(true), run, incoming("d", "e"), run,
		transferring("a", 0, "d"), run, accept("e"), run, flush(true), run,
	}); err != nil {
		t.Fatal(err)
	}
}

// Every fault at every step of the story.
func TestKilledAtEveryStep(t *testing.T) {
	s := story()
	for i := range len(s) + 1 {
		for _, f := range faults() {
			if err := play(t, slices.Insert(slices.Clone(s), i, f)); err != nil {
				t.Errorf("%s before step %d: %v", f.name, i, err)
			}
		}
	}
}

// Any number of faults anywhere, and pieces of the story left out.
func TestInterleavings(t *testing.T) {
	all := faults()
	rapid.Check(t, func(rt *rapid.T) {
		var script []op
		names := ""
		for i, o := range story() {
			for range rapid.SampledFrom([]int{0, 0, 0, 1, 1, 3}).Draw(rt, "faults") {
				script = append(script, all[rapid.IntRange(0, len(all)-1).Draw(rt, "fault")])
			}
			if rapid.IntRange(0, 9).Draw(rt, fmt.Sprint("leave out ", i)) > 0 {
				script = append(script, o)
			}
		}
		for _, o := range script {
			names += o.name + "; "
		}
		if err := play(t, script); err != nil {
			rt.Fatalf("%s\n%v", names, err)
		}
	})
}
