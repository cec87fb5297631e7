package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxNumber is the greatest call number: 15 bits. 0 means that the other side
// has not given one yet.
const MaxNumber = 0x7fff

const (
	numberMask = 0x7fff
	topBit     = 0x8000
)

// MaxDatagram bounds what is sent in one datagram: what an Ethernet carries
// whole, less an IPv6 and a UDP header.
const MaxDatagram = 1500 - 40 - 8

// ErrShort is a datagram or element that ends before what it announces.
var ErrShort = errors.New("iax2: cut short")

// Kind is what a datagram holds, as far as its first bytes tell.
type Kind uint8

const (
	KindUnknown   Kind = iota // too short, or a meta frame that nobody has defined
	KindFull                  // ParseFull
	KindMini                  // ParseMini
	KindMiniVideo             // ParseMiniVideo
	KindTrunk                 // ParseTrunk
)

// KindOf looks at the first bytes alone, which are clear in an encrypted call
// too.
func KindOf(b []byte) Kind {
	if len(b) < miniHeader {
		return KindUnknown
	}
	first := binary.BigEndian.Uint16(b)
	switch {
	case first&topBit != 0:
		return KindFull
	case first != 0:
		return KindMini
	case b[2]&videoBit != 0:
		return KindMiniVideo
	case b[2] == metaTrunk:
		return KindTrunk
	}
	return KindUnknown
}

// Numbers gives the call numbers of a full frame (both) or a mini frame (dest
// is 0), which are clear in an encrypted call too. They are 0, 0 of any other.
func Numbers(b []byte) (source, dest uint16) {
	switch KindOf(b) {
	case KindFull:
		return binary.BigEndian.Uint16(b) & numberMask, binary.BigEndian.Uint16(b[2:]) & numberMask
	case KindMini:
		return binary.BigEndian.Uint16(b), 0
	case KindMiniVideo:
		if len(b) >= videoHeader {
			return binary.BigEndian.Uint16(b[2:]) & numberMask, 0
		}
	}
	return 0, 0
}

func short(what string, got, need int) error {
	return fmt.Errorf("%w: %s of %d bytes, needs %d", ErrShort, what, got, need)
}
