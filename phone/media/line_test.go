package media

import (
	"testing"
	"time"

	"tincan/phone/codec"
)

// TestSpliceAfterAShortPacket: the sound of another source that is there at once
// follows the last packet without a hole, however short that was.
func TestSpliceAfterAShortPacket(t *testing.T) {
	f := codec.Format{PT: 0, Name: "PCMU", Clock: 8000}
	var l line
	made, relayed := new(Run), new(Run)
	var last uint32
	put := func(p Packet) uint32 {
		p.Format = &f
		h, ok := l.place(&p)
		if !ok {
			t.Fatalf("%+v has no place", p)
		}
		passed := h.Time - last
		last = h.Time
		return passed
	}
	put(Packet{Time: 1000, Source: made, lasts: 160})
	if got := put(Packet{Time: 1160, Source: made, lasts: 160, Arrival: 20 * time.Millisecond}); got != 160 {
		t.Errorf("the second packet is %d ticks after the first", got)
	}
	if got := put(Packet{Time: 1320, Source: made, lasts: 40, Arrival: 40 * time.Millisecond}); got != 160 {
		t.Errorf("the short packet is %d ticks after the second", got)
	}
	if got := put(Packet{Time: 77, Source: relayed, datagram: []byte{0}, ssrc: 5, Arrival: 40 * time.Millisecond}); got != 40 {
		t.Errorf("another source begins %d ticks after a packet of 40", got)
	}
}
