package message

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"tincan/bus"
	"tincan/phone/event"
	"tincan/store"
)

// Config is what a Desk depends on. Trunks may be nil.
type Config struct {
	Store    *store.Store
	Bus      *bus.Bus
	Logger   *slog.Logger
	Carriers []Carrier
	Trunks   Trunks
	// Route gives the destination that a number means to a sender.
	Route func(from, number string) (destination string, ok bool)
	NewID func() string
}

// Desk takes messages. Safe for any goroutine.
type Desk struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	slots  chan struct{} // one for each extension that is delivered to

	mu    sync.Mutex // guards what follows
	boxes map[string]*box
	total int
	last  int64              // the place given last
	going map[int64]struct{} // places that are being emptied
	ended bool
}

// box is an extension that messages wait for, or are offered to.
type box struct {
	waiting    int
	trials     int  // messages that are offered to devices now
	delivering bool // a goroutine delivers what waits
	again      bool // a device registered meanwhile
}

// Open makes a Desk with what the store has kept.
func Open(ctx context.Context, cfg Config) (*Desk, error) {
	if err := Migrate(ctx, cfg.Store); err != nil {
		return nil, err
	}
	d := &Desk{cfg: cfg, boxes: map[string]*box{}, going: map[int64]struct{}{}, slots: make(chan struct{}, maxDeliveries)}
	if err := cfg.Store.View(ctx, d.count); err != nil {
		return nil, fmt.Errorf("messages that wait: %w", err)
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

func (d *Desk) count(tx *store.Tx) error {
	rows, err := tx.Query(countWaiting)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var extension string
		var n int
		var last int64
		if err := rows.Scan(&extension, &n, &last); err != nil {
			return err
		}
		d.boxes[extension] = &box{waiting: n}
		d.total += n
		d.last = max(d.last, last)
	}
	return rows.Err()
}

// Close ends what is being delivered; it waits in the store.
func (d *Desk) Close() error {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.cancel()
	d.wg.Wait()
	return nil
}

// Waiting is how many messages wait.
func (d *Desk) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.total
}

// Send takes a message. done is called once, possibly at once: when a device has
// it, when it is written that it waits, or when it is refused.
func (d *Desk) Send(m Message, done func(Result)) {
	finish := func(r Result) {
		d.publish(&m, r)
		done(r)
	}
	if len(m.Body) > MaxBody {
		finish(Result{TooLarge, fmt.Sprintf("more than %d bytes", MaxBody)})
		return
	}
	destination, ok := d.cfg.Route(m.From, m.To)
	kind, name, _ := strings.Cut(destination, ":")
	switch {
	case ok && kind == "extension":
		if m.ID == "" {
			m.ID = d.cfg.NewID()
		}
		m.To = name
		d.offer(&m, finish)
	case ok && kind == "trunk" && d.cfg.Trunks != nil:
		trunk, number, _ := strings.Cut(name, "/")
		if number == "" {
			number = m.To
		}
		d.cfg.Trunks.Forward(&m, trunk, number, finish)
	default:
		finish(Result{Unknown, "no extension or trunk takes messages there"})
	}
}

func (d *Desk) publish(m *Message, r Result) {
	step := [...]string{"taken", "kept", "refused"}[min(r.Verdict, Unknown)]
	d.cfg.Bus.Publish(event.Text{Time: time.Now(), ID: m.ID, From: m.From, To: m.To, Type: m.Type, Bytes: len(m.Body), Step: step})
}

// offer brings a message to all devices, unless others wait: then it queues up.
func (d *Desk) offer(m *Message, done func(Result)) {
	d.mu.Lock()
	b := d.box(m.To)
	busy := b.waiting > 0 || b.trials >= maxTrials
	var t *trial
	if !busy || m.Fleeting {
		t = d.trial(m, b, done)
	}
	d.mu.Unlock()
	if t == nil {
		d.keep(m, nil, func(r Result) {
			done(r)
			d.Registered(m.To)
		})
		return
	}
	t.begin()
}

func (d *Desk) box(extension string) *box {
	b := d.boxes[extension]
	if b == nil {
		b = &box{}
		d.boxes[extension] = b
	}
	return b
}

// tidy forgets a box that nothing is in. The caller holds mu.
func (d *Desk) tidy(extension string) {
	if b := d.boxes[extension]; b != nil && *b == (box{again: b.again}) {
		delete(d.boxes, extension)
	}
}

// keep writes a message that waits. t is its trial if devices are still asked.
func (d *Desk) keep(m *Message, t *trial, done func(Result)) {
	if m.Fleeting {
		done(Result{Absent, "no device takes it now"})
		return
	}
	w, bad := d.reserve(m)
	if bad != nil {
		done(*bad)
		return
	}
	d.cfg.Store.WriteSoon(put(w), func(err error) {
		if err != nil && !errors.Is(err, store.ErrSpooled) {
			d.cfg.Logger.Error("message could not be kept", "to", m.To, "error", err)
			d.release(m.To)
			done(Result{Failed, "it could not be kept"})
			return
		}
		if t != nil && t.kept(w.place) {
			d.forget(m.To, w.place, nil) // a device took it meanwhile
		}
		done(Result{Kept, "it waits until a device registers"})
	})
}

// What is kept of a sender who asks not to be shown.
const (
	hidden     = "anonymous"
	hiddenName = "Anonymous"
)

// reserve finds room and a place for a message.
func (d *Desk) reserve(m *Message) (*Waiting, *Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.box(m.To)
	if b.waiting >= MaxWaiting || d.total >= MaxTotal {
		d.tidy(m.To)
		return nil, &Result{Full, fmt.Sprintf("%d messages wait for %s", b.waiting, m.To)}
	}
	b.waiting++
	d.total++
	now := time.Now()
	d.last = max(now.UnixMicro(), d.last+1)
	w := &Waiting{Message: *m, place: d.last}
	if m.Private {
		w.Number, w.Name = hidden, hiddenName
	}
	if latest := now.Add(MaxAge); w.Expires.IsZero() || w.Expires.After(latest) {
		w.Expires = latest
	}
	return w, nil
}

// release takes one out of the count.
func (d *Desk) release(extension string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b := d.box(extension); b.waiting > 0 {
		b.waiting--
		d.total--
	}
	d.tidy(extension)
}

// forget removes a message that waited, once; done, if not nil, is called when that
// is written.
func (d *Desk) forget(extension string, place int64, done func()) {
	d.mu.Lock()
	_, twice := d.going[place]
	d.going[place] = struct{}{}
	d.mu.Unlock()
	if !twice {
		d.release(extension)
	}
	d.cfg.Store.Write(drop(place), func(error) {
		d.mu.Lock()
		delete(d.going, place)
		d.mu.Unlock()
		if done != nil {
			done()
		}
	})
}
