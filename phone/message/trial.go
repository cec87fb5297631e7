package message

import (
	"sync"
	"time"
)

// trial is one message being offered to all devices of an extension.
type trial struct {
	d *Desk
	m *Message

	mu    sync.Mutex // guards what follows
	left  int        // devices that have not answered
	asked int
	no    int // that cannot take it
	taken bool
	place int64 // where it waits; 0: nowhere
	done  func(Result)
	timer *time.Timer
}

// trial counts a message as offered. The caller holds mu.
func (d *Desk) trial(m *Message, b *box, done func(Result)) *trial {
	b.trials++
	return &trial{d: d, m: m, done: done}
}

func (t *trial) begin() {
	type offered struct {
		by     Carrier
		device string
	}
	var all []offered
	for _, c := range t.d.cfg.Carriers {
		for _, device := range c.Devices(t.m.To) {
			all = append(all, offered{c, device})
		}
	}
	t.mu.Lock()
	t.left, t.asked = len(all)+1, len(all)
	t.timer = time.AfterFunc(Patience, t.late)
	t.mu.Unlock()
	for _, o := range all {
		o.by.Deliver(t.m, o.device, t.answered)
	}
	t.answered(NotNow) // the one more of above: now all are asked
}

// answered takes a device's answer. The first that takes the message decides; when
// none does, the last one.
func (t *trial) answered(a Answer) {
	t.mu.Lock()
	t.left--
	last, first := t.left == 0, a == Took && !t.taken
	t.taken = t.taken || first
	if a == Cannot {
		t.no++
	}
	impossible := t.asked > 0 && t.no == t.asked
	var done func(Result)
	if first || last {
		done, t.done = t.done, nil
	}
	place := t.place
	if first {
		t.place = 0
	}
	t.mu.Unlock()
	if done != nil {
		t.timer.Stop()
	}
	switch {
	case done != nil && first:
		done(Result{Verdict: Taken})
	case done != nil && impossible:
		done(Result{Refused, "no device takes messages of this type"})
	case done != nil:
		t.d.keep(t.m, t, done)
	case first && place != 0: // it was kept, and is here after all
		t.d.forget(t.m.To, place, nil)
	}
	if last {
		t.d.tried(t.m.To)
	}
}

// late is the end of the sender's patience.
func (t *trial) late() {
	t.mu.Lock()
	done := t.done
	t.done = nil
	t.mu.Unlock()
	if done != nil {
		t.d.keep(t.m, t, done)
	}
}

// kept notes where the message waits, and reports whether it need not any more.
func (t *trial) kept(place int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.taken {
		t.place = place
	}
	return t.taken
}

// tried counts a message as no longer offered.
func (d *Desk) tried(extension string) {
	d.mu.Lock()
	b := d.box(extension)
	b.trials--
	again := b.again && b.trials == 0
	d.tidy(extension)
	d.mu.Unlock()
	if again {
		d.Registered(extension)
	}
}
