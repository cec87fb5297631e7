package kernel

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Table is the map as this process sees it: a slot for each even port of the
// range, and one more for the sign of life. Reading and changing it is reading
// and changing memory. Its methods may be called by any goroutine.
type Table struct {
	first uint16
	slots []slot
	alive *uint64 // CLOCK_MONOTONIC in ns, of the last live

	mu     sync.Mutex // guards what follows, and who writes to slots
	owners []*Carried
	last   uint32 // state given last
}

// route is the way out of the machine to a party.
type route struct {
	ifindex uint32 // 0: the party is on this machine
	mtu     uint32
}

// tableSize gives the elements of the map for a number of ports.
func tableSize(pairs int) int { return pairs + 1 }

// newTable takes the memory of the map, tableSize slots long.
func newTable(first uint16, memory []byte) *Table {
	n := len(memory) / slotSize
	all := unsafe.Slice((*slot)(unsafe.Pointer(unsafe.SliceData(memory))), n)
	t := &Table{first: first, slots: all[:n-1], owners: make([]*Carried, n-1)}
	t.alive = &all[n-1].counts.at
	for i := range t.slots {
		t.last = max(t.last, t.slots[i].state)
	}
	return t
}

// Carried is a stream that the kernel carries, until Stop. Its methods may be
// called by any goroutine.
type Carried struct {
	Stream Stream

	table *Table
	index int

	mu      sync.Mutex // guards what follows
	stopped bool
	final   Counts
}

// carry writes the slot of a stream, or goes on with what an earlier process left
// in it: then Counts begin with what it counted.
func (t *Table) carry(st Stream, out route) (*Carried, error) {
	i := (int(st.Port) - int(t.first)) / 2
	if i < 0 || i >= len(t.slots) || st.Port%2 != 0 {
		return nil, fmt.Errorf("port %d is none of the range's", st.Port)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.owners[i] != nil {
		return nil, fmt.Errorf("port %d is carried already", st.Port)
	}
	s := &t.slots[i]
	switch {
	case st.Standing && s.carries(&st, out):
		atomic.StoreUint32(&s.ifindex, out.ifindex)
		atomic.StoreUint32(&s.longest, out.mtu)
	case st.Standing:
		return nil, ErrNotStanding
	default:
		t.write(s, &st, out)
	}
	c := &Carried{Stream: st, table: t, index: i}
	t.owners[i] = c
	return c, nil
}

func (t *Table) write(s *slot, st *Stream, out route) {
	atomic.StoreUint32(&s.state, 0)
	s.fill(st, out)
	s.counts = counts{highest: st.Highest, base: st.Highest, jitter: st.Jitter}
	if t.last++; t.last == 0 {
		t.last = 1
	}
	atomic.StoreUint32(&s.state, t.last)
}

// Counts tells what was carried; after Stop, what had been by then.
func (c *Carried) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return c.final
	}
	return c.table.slots[c.index].counts.read()
}

// Reached tells of a packet of the stream that went through the process: its
// extended sequence number is not taken for a hole.
func (c *Carried) Reached(highest uint32) {
	at := &c.table.slots[c.index].counts.highest
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := atomic.LoadUint32(at); !c.stopped && int32(highest-now) > 0 {
		atomic.CompareAndSwapUint32(at, now, highest)
	}
}

// read takes the numbers one by one: the program may be adding to them.
func (c *counts) read() Counts {
	return Counts{
		Packets: atomic.LoadUint64(&c.packets), Octets: atomic.LoadUint64(&c.octets),
		At: int64(atomic.LoadUint64(&c.at)), Time: atomic.LoadUint32(&c.time),
		Highest: atomic.LoadUint32(&c.highest), Base: atomic.LoadUint32(&c.base),
		Jitter: atomic.LoadUint32(&c.jitter), Runs: atomic.LoadUint32(&c.runs),
	}
}

// Stop lets the sender's packets go up to the process again, from the next on.
// Stopping again does nothing.
func (c *Carried) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	t := c.table
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.slots[c.index]
	atomic.StoreUint32(&s.state, 0)
	c.stopped, c.final = true, s.counts.read()
	t.owners[c.index] = nil
}

// Stopped tells whether Stop was called.
func (c *Carried) Stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

// standing gives what an earlier process left at a port.
func (t *Table) standing(port uint16) (Stream, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := (int(port) - int(t.first)) / 2
	if port%2 != 0 || i < 0 || i >= len(t.slots) || t.slots[i].state == 0 || t.owners[i] != nil {
		return Stream{}, false
	}
	return t.slots[i].stream(), true
}

// disown stops what an earlier process left and this one has not gone on with.
func (t *Table) disown() (stopped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.slots {
		if t.owners[i] == nil && t.slots[i].state != 0 {
			atomic.StoreUint32(&t.slots[i].state, 0)
			stopped++
		}
	}
	return stopped
}

// carried lists the streams of this process.
func (t *Table) carried() (all []*Carried) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.owners {
		if c != nil {
			all = append(all, c)
		}
	}
	return all
}

// live says that the process lives: without it the program stops carrying
// after abandonedAfter.
func (t *Table) live(now time.Duration) { atomic.StoreUint64(t.alive, uint64(now)) }
