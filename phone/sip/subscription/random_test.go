package subscription

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Whatever phones and people do in whatever order: no subscription has two NOTIFYs
// on their way, sequence numbers only grow, and when all has expired nothing is
// left.
func TestAnythingInAnyOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 60).Draw(r, "steps")
		picks := rapid.SliceOfN(rapid.IntRange(0, 1000), 60, 60).Draw(r, "picks")
		synctest.Test(t, func(*testing.T) {
			if err := play(t, steps, picks); err != nil {
				r.Error(err)
			}
		})
	})
}

// line is one subscription as its phone sees it.
type line struct {
	waiting func(Outcome)
	seq     uint32
}

func play(t *testing.T, steps, picks []int) error {
	lines, wrong := map[string]*line{}, error(nil)
	d := newDesk(t, func(c *Config) {
		c.List = func(name string) ([]string, bool) { return []string{"101", "102"}, name == "all" }
	})
	defer d.stop()
	var tags []string
	d.cfg.Send = func(n *Notify, done func(Outcome)) {
		d.mu.Lock()
		defer d.mu.Unlock()
		l := lines[n.Tag]
		if l == nil {
			l = &line{}
			lines[n.Tag] = l
		}
		if l.waiting != nil || n.Seq <= l.seq {
			wrong = fmt.Errorf("NOTIFY %d of %s, while %d is out: %v", n.Seq, n.Tag, l.seq, l.waiting != nil)
		}
		l.waiting, l.seq = done, n.Seq
	}
	answer := func(o Outcome) {
		d.mu.Lock()
		var all []func(Outcome)
		for _, l := range lines {
			if l.waiting != nil {
				all = append(all, l.waiting)
				l.waiting = nil
			}
		}
		d.mu.Unlock()
		for _, f := range all {
			f(o)
		}
	}
	for i, step := range steps {
		pick := picks[i]
		switch step {
		case 0, 1:
			a := ask([]string{"101", "102", "all"}[pick%3])
			a.Lists, a.Expires = true, time.Duration(pick%4)*20*time.Minute
			d.Subscribe(a, func(g Grant, no *Refusal) {
				if no == nil {
					tags = append(tags, g.Tag)
				}
			})
		case 2:
			if len(tags) > 0 {
				a := ask("")
				a.Seq, a.Expires = uint32(i+2), time.Duration(pick%3)*20*time.Minute
				d.Refresh(tags[pick%len(tags)], a, func(Grant, *Refusal) {})
			}
		case 3, 4:
			d.Changed("toy", []string{"101", "102"}[pick%2])
		case 5:
			answer(Outcome{})
		case 6:
			answer(Outcome{Verdict: Verdict(pick % 4), After: time.Duration(pick) * time.Second})
		case 7:
			d.Registered("900")
		case 8:
			d.Reload(func(string) bool { return pick%5 != 0 })
		case 9:
			time.Sleep(time.Duration(pick) * time.Second)
		}
		synctest.Wait()
	}
	for range 4 { // the last NOTIFYs are answered, or never
		answer(Outcome{})
		time.Sleep(MaxExpires + maxHold)
		synctest.Wait()
	}
	left := d.Count() + len(d.subs) + len(d.watching) + len(d.due) + len(d.watchers) + len(d.devices) + len(d.events) + len(d.lost)
	if wrong == nil && left != 0 {
		return fmt.Errorf("left: %d subscriptions, watching %v, %d due, lost %v", d.Count(), d.watching, len(d.due), d.lost)
	}
	return wrong
}
