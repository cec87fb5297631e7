package kernel

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"tincan/phone/media/rtp"
)

// Simulated is a relay without a kernel, for tests of those who use one: streams
// are carried by Pass, which does what the program does. Its methods may be
// called by any goroutine but Pass, which is for one.
type Simulated struct {
	table *Table
	now   func() time.Duration
}

// NewSimulated makes one for ports from first on; now is the clock of Counts.At
// and must not be 0.
func NewSimulated(first uint16, pairs int, now func() time.Duration) *Simulated {
	return &Simulated{newTable(first, make([]byte, tableSize(pairs)*slotSize)), now}
}

// Restarted gives the relay of the next process, which finds what this one left
// at this moment. This one no longer has to do with it.
func (s *Simulated) Restarted() *Simulated {
	all := append(slices.Clone(s.table.slots), slot{})
	memory := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(all))), len(all)*slotSize)
	return &Simulated{newTable(s.table.first, memory), s.now}
}

// Carry is Relay.Carry.
func (s *Simulated) Carry(st Stream) (*Carried, error) {
	if err := st.check(); err != nil {
		return nil, err
	}
	return s.table.carry(st, route{ifindex: loopback + 1, mtu: 1500})
}

// Now is Relay.Now.
func (s *Simulated) Now() time.Duration { return s.now() }

// Standing is Relay.Standing.
func (s *Simulated) Standing(port uint16) (Stream, bool) { return s.table.standing(port) }

// Disown is Relay.Disown.
func (s *Simulated) Disown() { s.table.disown() }

// Pass gives the datagram as it leaves, and to whom; false: it goes up to the
// process.
func (s *Simulated) Pass(port uint16, from netip.AddrPort, b []byte) (out []byte, to netip.AddrPort, ok bool) {
	e := s.table.at(port)
	_, payload, err := rtp.Parse(b)
	if e == nil || err != nil || b[0]&fixedRTP != plainRTP || b[1] >= firstRTCP && b[1] <= lastRTCP {
		return nil, to, false
	}
	n := from.Addr().BitLen() / 8
	source := ports(from.Port(), port)
	if !bytes.Equal(e.comes[:n], from.Addr().AsSlice()) || e.comesPorts != source {
		return nil, to, false
	}
	pt, seq := e.payloads[b[1]&0x7f], binary.BigEndian.Uint16(b[2:])
	ahead := int16(seq - uint16(e.counts.highest))
	if pt == goesUp || [4]byte(b[8:12]) != e.ssrc || ahead >= maxDropout || ahead <= -maxMisorder {
		return nil, to, false
	}
	e.counts.pass(binary.BigEndian.Uint32(b[4:]), ahead, len(payload), uint64(s.now()), e.clock)
	out = append([]byte(nil), b...)
	out[1] = b[1]&0x80 | pt
	binary.BigEndian.PutUint16(out[2:], seq+uint16(e.seqOff))
	binary.BigEndian.PutUint32(out[4:], binary.BigEndian.Uint32(b[4:])+e.timeOff)
	copy(out[8:], e.ssrcOut[:])
	host, _ := netip.AddrFromSlice(e.leaves[n : 2*n])
	return out, netip.AddrPortFrom(host, binary.BigEndian.Uint16(e.leavesPorts[2:])), true
}

func (c *counts) pass(time uint32, ahead int16, octets int, now uint64, clock uint32) {
	atomic.AddUint64(&c.packets, 1)
	atomic.AddUint64(&c.octets, uint64(octets))
	if ahead <= 0 {
		return
	}
	atomic.AddUint32(&c.highest, uint32(ahead))
	if ahead > 1 {
		atomic.AddUint32(&c.runs, 1)
	}
	if c.at != 0 && now-c.at <= uint64(longestStep) {
		d := int32(uint32((now-c.at)*uint64(clock)/1e9) - (time - c.time))
		atomic.AddUint32(&c.jitter, uint32(max(d, -d))-(c.jitter+8)>>4)
	}
	atomic.StoreUint64(&c.at, now)
	atomic.StoreUint32(&c.time, time)
}

// at gives the slot of a port if it is carried.
func (t *Table) at(port uint16) *slot {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := (int(port) - int(t.first)) / 2
	if port%2 != 0 || i < 0 || i >= len(t.slots) || t.slots[i].state == 0 {
		return nil
	}
	return &t.slots[i]
}
