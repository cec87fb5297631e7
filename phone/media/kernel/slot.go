package kernel

import (
	"encoding/binary"
	"net/netip"
	"unsafe"
)

// slot is an element of the map: what is carried that comes to one of our
// ports. The program reads and counts by the offsets of this struct, so its
// fields need no other order than their size. "Wire" fields hold the bytes as
// they lie in a packet; the others are numbers of this machine.
type slot struct {
	// state is 0 while nothing is carried: packets go up to the process. It is
	// written last, and 0 first, since the program may read at any moment; a
	// program that finds it changed on its way lets the packet go up.
	state   uint32
	ifindex uint32 // the interface that leads to the receiver; 0: loopback, in place
	family  uint32 // 4 or 6
	longest uint32 // bytes of an IP packet that fit the way out

	// Source and destination as a packet comes in, and as it leaves. IPv4 takes
	// the first 8 bytes, IPv6 all.
	comes, leaves [32]byte
	// Source and destination port, wire.
	comesPorts, leavesPorts [4]byte

	ssrc    [4]byte // that comes, wire
	ssrcOut [4]byte // that leaves, wire
	timeOff uint32
	seqOff  uint32
	clock   uint32 // of the payload types carried

	// What the addresses and the hop limit, the hop limit alone and the ports
	// change in a checksum.
	pseudoDiff, headDiff, portsDiff uint32

	payloads [128]uint8 // type that comes to type that leaves; goesUp

	counts counts
}

// counts is written by the program alone, once a stream is carried.
type counts struct {
	packets, octets uint64
	at              uint64 // CLOCK_MONOTONIC of the foremost packet in ns; 0: none yet
	time            uint32 // its RTP time, as it came
	highest         uint32 // its sequence number, extended by the cycles (RFC 3550 A.1)
	base            uint32 // highest when the stream was taken over
	jitter          uint32 // in ticks, times 16 (RFC 3550 A.8)
	runs            uint32 // of packets that lack, one after the other
	_               uint32
}

// goesUp marks the payload types that are the process's business.
const goesUp = 0xff

const slotSize = int(unsafe.Sizeof(slot{}))

// fill writes everything but the state and the counts.
func (s *slot) fill(st *Stream, out route) {
	s.ifindex, s.longest = out.ifindex, out.mtu
	s.family = 6
	if st.Remote.Addr().Is4() {
		s.family = 4
	}
	s.comes = pair(st.Remote.Addr(), st.Local)
	s.leaves = pair(st.From.Addr(), st.To.Addr())
	s.comesPorts = ports(st.Remote.Port(), st.Port)
	s.leavesPorts = ports(st.From.Port(), st.To.Port())
	binary.BigEndian.PutUint32(s.ssrc[:], st.SSRC)
	binary.BigEndian.PutUint32(s.ssrcOut[:], st.SSRCOut)
	s.timeOff, s.seqOff, s.clock = st.TimeOff, uint32(st.SeqOff), st.Clock
	s.headDiff = hopDiff(s.family)
	s.pseudoDiff = diff(s.comes[:], s.leaves[:])
	s.portsDiff = diff(s.comesPorts[:], s.leavesPorts[:])
	s.payloads = st.payloads()
}

// carries tells whether a slot that stands carries the same in the same way, so
// that a restarted process can go on with it. By which interface it leaves may
// have changed.
func (s *slot) carries(st *Stream, out route) bool {
	var want slot
	want.fill(st, out)
	want.state, want.counts = s.state, s.counts
	want.ifindex, want.longest = s.ifindex, s.longest
	return s.state != 0 && *s == want && (s.ifindex == 0) == (out.ifindex == 0)
}

// stream reads back what was filled in.
func (s *slot) stream() Stream {
	n := 16
	if s.family == 4 {
		n = 4
	}
	addr := func(b []byte) netip.Addr { a, _ := netip.AddrFromSlice(b); return a }
	port := func(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
	st := Stream{
		Port: port(s.comesPorts[2:]), Local: addr(s.comes[n : 2*n]),
		Remote: netip.AddrPortFrom(addr(s.comes[:n]), port(s.comesPorts[:])),
		From:   netip.AddrPortFrom(addr(s.leaves[:n]), port(s.leavesPorts[:])),
		To:     netip.AddrPortFrom(addr(s.leaves[n:2*n]), port(s.leavesPorts[2:])),
		SSRC:   binary.BigEndian.Uint32(s.ssrc[:]), SSRCOut: binary.BigEndian.Uint32(s.ssrcOut[:]),
		SeqOff: uint16(s.seqOff), TimeOff: s.timeOff, Clock: s.clock,
	}
	for in, out := range s.payloads {
		if out != goesUp {
			st.Payloads = append(st.Payloads, Payload{uint8(in), out})
		}
	}
	return st
}

// pair puts two addresses as they stand in an IP header.
func pair(source, destination netip.Addr) (b [32]byte) {
	n := copy(b[:], source.AsSlice())
	copy(b[n:], destination.AsSlice())
	return b
}

func ports(source, destination uint16) (b [4]byte) {
	binary.BigEndian.PutUint16(b[:], source)
	binary.BigEndian.PutUint16(b[2:], destination)
	return b
}

// hopDiff is what one hop less changes in the sum of an IP header.
func hopDiff(family uint32) uint32 {
	if family == 4 { // time to live, protocol
		return diff([]byte{2, 0, 0, 0}, []byte{1, 0, 0, 0})
	}
	return diff([]byte{0, 2, 0, 0}, []byte{0, 1, 0, 0}) // next header, hop limit
}

// diff is the change of an internet checksum's sum (RFC 1071) when bytes, a
// multiple of four, are replaced, as the kernel's helpers take it.
func diff(from, to []byte) uint32 {
	var sum uint64
	for i := 0; i < len(from); i += 4 {
		sum += uint64(^binary.NativeEndian.Uint32(from[i:]))
		sum += uint64(binary.NativeEndian.Uint32(to[i:]))
	}
	for sum>>32 != 0 {
		sum = sum&0xffffffff + sum>>32
	}
	return uint32(sum)
}
