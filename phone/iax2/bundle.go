package iax2

import (
	"sync"
	"time"

	"tincan/phone/iax2/frame"
)

// bundleEvery is how long sound waits for that of other calls to the same server.
const bundleEvery = 20 * time.Millisecond

// bundle is the sound of several calls that goes out in one trunk frame: with times,
// or of encrypted calls without.
type bundle struct {
	epoch time.Time
	timed []byte
	plain []byte
	idle  int // ticks without sound
}

// idleTicks is how many ticks without sound end a bundle.
const idleTicks = 250

// bundles are the bundles by where they go. One goroutine sends them, while there are
// any.
type bundles struct {
	mu      sync.Mutex // guards what follows; taken after a session's
	of      map[path]*bundle
	running bool
}

// add puts sound among that of other calls; false if it does not fit a datagram even
// alone.
func (bs *bundles) add(s *Server, to path, e frame.Entry, timed bool) bool {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.of[to]
	if b == nil {
		b = &bundle{epoch: time.Now()}
		bs.of[to] = b
		if !bs.running {
			bs.running = true
			s.tasks.Go(func() { bs.run(s) })
		}
	}
	buffer := &b.plain
	if timed {
		buffer = &b.timed
	}
	for range 2 {
		if len(*buffer) == 0 {
			*buffer = frame.AppendTrunk((*buffer)[:0], uint32(time.Since(b.epoch)/time.Millisecond), timed)
		}
		var ok bool
		if *buffer, ok = frame.AppendEntry(*buffer, e, frame.MaxDatagram); ok {
			return true
		}
		to.port.send(to, *buffer) // full: it goes now
		*buffer = (*buffer)[:0]
	}
	return false
}

// run sends what is there every bundleEvery until nothing comes for long.
func (bs *bundles) run(s *Server) {
	tick := time.NewTicker(bundleEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			if !bs.flush() {
				return
			}
		}
	}
}

// flush sends what waits; false, and the goroutine ends, when there is nobody left.
func (bs *bundles) flush() bool {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for to := range bs.of {
		to.port.hold()
		defer to.port.release()
	}
	for to, b := range bs.of {
		if len(b.timed)+len(b.plain) == 0 {
			if b.idle++; b.idle > idleTicks {
				delete(bs.of, to)
			}
			continue
		}
		b.idle = 0
		for _, buffer := range []*[]byte{&b.timed, &b.plain} {
			if len(*buffer) > 0 {
				to.port.send(to, *buffer)
				*buffer = (*buffer)[:0]
			}
		}
	}
	bs.running = len(bs.of) > 0
	return bs.running
}
