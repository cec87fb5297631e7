package message

import (
	"maps"
	"slices"
	"time"

	"tincan/store"
)

// Registered says that a device of an extension has registered: what waits for it
// is delivered.
func (d *Desk) Registered(extension string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.boxes[extension]
	if b == nil || d.ended {
		return
	}
	b.again = true
	if b.waiting == 0 || b.delivering || b.trials > 0 {
		return
	}
	b.delivering = true
	d.wg.Go(func() { d.deliver(extension, b) })
}

// Resume delivers what waits for devices that are registered already, when the
// process begins.
func (d *Desk) Resume() {
	d.mu.Lock()
	extensions := slices.Collect(maps.Keys(d.boxes))
	d.mu.Unlock()
	for _, e := range extensions {
		d.Registered(e)
	}
}

// deliver offers what waits, in order, until no device takes it.
func (d *Desk) deliver(extension string, b *box) {
	for more := true; more; {
		select {
		case d.slots <- struct{}{}:
		case <-d.ctx.Done():
			return
		}
		d.mu.Lock()
		b.again = false
		d.mu.Unlock()
		d.deliverAll(extension)
		<-d.slots
		d.mu.Lock()
		more = b.again && b.waiting > 0 && d.ctx.Err() == nil
		b.delivering = more
		d.tidy(extension)
		d.mu.Unlock()
	}
}

func (d *Desk) deliverAll(extension string) {
	for place := int64(0); d.ctx.Err() == nil; {
		w, ok, err := next(d.ctx, d.cfg.Store, extension, place)
		if err != nil {
			d.cfg.Logger.Warn("messages that wait cannot be read; they are delivered at the next registration", "extension", extension, "error", err)
			return
		}
		if !ok {
			return
		}
		place = w.place
		if !time.Now().Before(w.Expires) {
			continue // Expire's business
		}
		switch d.deliverOne(&w) {
		case NotNow:
			return
		case Cannot:
			d.cfg.Logger.Warn("a message that waited is dropped: no device takes its type", "extension", extension, "type", w.Type)
		}
		d.removed(extension, w.place)
	}
}

// removed waits until it is written that a message was delivered, so that it is
// not delivered again after a crash.
func (d *Desk) removed(extension string, place int64) {
	written := make(chan struct{})
	d.forget(extension, place, func() { close(written) })
	select {
	case <-written:
	case <-d.ctx.Done():
	}
}

// maxDevices bounds the devices that are asked at a time: there are never so many.
const maxDevices = 64

// deliverOne offers a message to all devices and waits until one has it or none
// takes it.
func (d *Desk) deliverOne(w *Waiting) Answer {
	answers := make(chan Answer, maxDevices)
	asked := 0
	for _, c := range d.cfg.Carriers {
		for _, device := range c.Devices(w.To) {
			if asked < maxDevices {
				asked++
				c.Deliver(&w.Message, device, func(a Answer) { answers <- a })
			}
		}
	}
	said := map[Answer]int{}
	for range asked {
		select {
		case a := <-answers:
			if said[a]++; a == Took {
				return Took
			}
		case <-d.ctx.Done():
			return NotNow
		}
	}
	if asked > 0 && said[Cannot] == asked {
		return Cannot
	}
	return NotNow
}

// Expire removes what waited too long. Call it now and then.
func (d *Desk) Expire() {
	var gone []Waiting
	err := d.cfg.Store.View(d.ctx, func(tx *store.Tx) (err error) {
		gone, err = scan(tx, findExpired, time.Now().UnixMicro(), expireGroup)
		return err
	})
	if err != nil {
		d.cfg.Logger.Warn("messages that expired cannot be read", "error", err)
		return
	}
	for i := range gone {
		d.cfg.Logger.Info("message expired before a device registered", "extension", gone[i].To)
		d.forget(gone[i].To, gone[i].place, nil)
	}
}

// expireGroup bounds what one Expire removes.
const expireGroup = 100

// Retain removes what waits for extensions that are no more.
func (d *Desk) Retain(known func(extension string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for extension, b := range d.boxes {
		if b.waiting == 0 || known(extension) {
			continue
		}
		d.cfg.Store.Write(func(tx *store.Tx) error {
			_, err := tx.Exec(dropExtension, extension)
			return err
		}, nil)
		d.total -= b.waiting
		b.waiting = 0
		d.tidy(extension)
	}
}
