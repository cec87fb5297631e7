package store

import (
	"errors"
	"slices"
)

// fall notes that the database went down with group unwritten.
func (w *writer) fall(err error, group []entry) {
	w.down, w.full, w.pause = err, false, retryFirst
	w.count(func(s *Status) { s.Down, s.Err = true, err.Error() })
	w.log.Error("the database does not write; calls go on, writes wait in memory", "err", err)
	w.keep(group)
	w.tell(Event{State: Down, Err: err, Spooled: len(w.spool)})
	w.retry.Reset(w.pause)
}

// keep puts a group into the spool, as far as there is room.
func (w *writer) keep(group []entry) {
	fit := min(len(group), MaxSpool-len(w.spool))
	w.spool = append(w.spool, group[:fit]...)
	lost := len(group) - fit
	w.count(func(s *Status) { s.Spooled = len(w.spool); s.Lost += uint64(lost) })
	if lost > 0 && !w.full {
		w.full = true
		w.log.Error("the database is still down and the spool is full; writes are lost", "spool", MaxSpool)
		w.tell(Event{State: Spill, Err: w.down, Spooled: len(w.spool)})
	}
	for i, e := range group {
		if i < fit {
			e.finish(ErrSpooled)
		} else {
			e.finish(ErrFull)
		}
	}
}

// replay writes the spool from its head until the database refuses again.
func (w *writer) replay() {
	caught := 0
	for len(w.spool) > 0 {
		n := min(len(w.spool), maxGroup)
		if err := w.again(w.spool[:n]); err != nil {
			w.later(err)
			return
		}
		caught += n
		w.spool = slices.Delete(w.spool, 0, n)
		w.count(func(s *Status) { s.Spooled = len(w.spool) })
	}
	w.down, w.spool = nil, nil
	w.count(func(s *Status) { s.Down, s.Err = false, "" })
	w.log.Info("the database writes again", "caught_up", caught)
	w.tell(Event{State: Up, Spooled: caught})
}

// again writes spooled jobs; only an outage is an error. A job refused for what
// it does itself is dropped: its done was called long ago.
func (w *writer) again(group []entry) error {
	err := w.transact(group)
	switch {
	case err == nil:
		w.count(func(s *Status) { s.Jobs += uint64(len(group)); s.Groups++ })
		return nil
	case errors.Is(err, ErrDown):
		return err
	case len(group) == 1:
		w.log.Error("a write that waited for the database was refused and is lost", "err", err)
		w.count(func(s *Status) { s.Lost++ })
		return nil
	}
	for i := range group {
		if err := w.again(group[i : i+1]); err != nil {
			// Those before i are written or dropped: they must not come again.
			w.spool = slices.Delete(w.spool, 0, i)
			w.count(func(s *Status) { s.Spooled = len(w.spool) })
			return err
		}
	}
	return nil
}

// later tries again after a longer pause.
func (w *writer) later(err error) {
	w.down = err
	w.count(func(s *Status) { s.Err = err.Error() })
	w.pause = min(2*w.pause, retryMost)
	w.retry.Reset(w.pause)
}

func (w *writer) tell(e Event) {
	if w.events != nil {
		w.events(e)
	}
}
