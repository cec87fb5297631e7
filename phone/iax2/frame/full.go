package frame

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// fullHeader is the length of a full frame's header in bytes.
const fullHeader = 12

// Full is a frame that is acknowledged and sent again until it is (8.1.1):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|1|     Source call number      |R|   Destination call number   |
//	+-+-----------------------------+-+-----------------------------+
//	|                        Time, milliseconds                     |
//	+---------------+---------------+---------------+-+-+-----------+
//	|     OSeqno    |     ISeqno    |     Type      |C|  Subclass   |
//	+---------------+---------------+---------------+-+-------------+
//	|                           Payload ...
//
// With C the subclass is the power of two whose exponent the seven bits are;
// of a picture the first of the seven marks the last piece.
type Full struct {
	Source, Dest uint16 // call numbers, 15 bits
	Retransmit   bool   // R: these bytes were sent before
	Time         uint32 // ms since the call's first frame
	OSeq         uint8  // how many full frames the sender has sent before this
	ISeq         uint8  // the OSeq that the sender waits for
	Type         Type
	Subclass     Subclass
	Mark         bool   // of Type Video: the last piece of a picture
	Payload      []byte // borrowed from the datagram
}

// Subclass says more of a frame than its type: a command, a control, a format,
// a digit's character, a level.
type Subclass uint64

// Command is the subclass of a frame of Type IAX.
func (f Full) Command() Command { return Command(f.Subclass) }

// Control is the subclass of a frame of Type Control.
func (f Full) Control() Control { return Control(f.Subclass) }

// Format is the subclass of a frame of Type Voice, Video or Image.
func (f Full) Format() Format { return Format(f.Subclass) }

// Is tells whether f is the IAX command c.
func (f Full) Is(c Command) bool { return f.Type == IAX && f.Subclass == Subclass(c) }

// ParseFull reads a full frame. It errs when b is shorter than the header, is
// no full frame, or its subclass is a power beyond 64 bits. Types and
// subclasses that nobody knows are no error: they are to be answered.
func ParseFull(b []byte) (Full, error) {
	if len(b) < fullHeader {
		return Full{}, short("full frame", len(b), fullHeader)
	}
	source, dest := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if source&topBit == 0 {
		return Full{}, fmt.Errorf("iax2: not a full frame: it begins with %#04x", source)
	}
	f := Full{
		Source: source & numberMask, Dest: dest & numberMask, Retransmit: dest&topBit != 0,
		Time: binary.BigEndian.Uint32(b[4:]), OSeq: b[8], ISeq: b[9], Type: Type(b[10]),
		Payload: b[fullHeader:],
	}
	var ok bool
	if f.Subclass, f.Mark, ok = unpack(f.Type, b[11]); !ok {
		return Full{}, fmt.Errorf("iax2: %s frame with subclass %#02x, a power beyond 64 bits", f.Type, b[11])
	}
	return f, nil
}

// AppendFull writes f. Bits of a subclass that do not fit are the caller's
// mistake: a subclass over 127 must be a power of two.
func AppendFull(dst []byte, f Full) []byte {
	d := f.Dest & numberMask
	if f.Retransmit {
		d |= topBit
	}
	dst = binary.BigEndian.AppendUint16(dst, f.Source|topBit)
	dst = binary.BigEndian.AppendUint16(dst, d)
	dst = binary.BigEndian.AppendUint32(dst, f.Time)
	dst = append(dst, f.OSeq, f.ISeq, byte(f.Type), pack(f))
	return append(dst, f.Payload...)
}

// SetRetransmit marks a written full frame as sent before; in an encrypted call
// too, since the bit is clear there.
func SetRetransmit(b []byte) {
	if KindOf(b) == KindFull {
		b[2] |= topBit >> 8
	}
}

const (
	powerBit = 0x80 // C
	markBit  = 0x40 // of a picture
	exponent = 0x3f

	// none is a subclass of all ones. Asterisk sends it as a Control (StopTones).
	none = 0xff
)

func unpack(t Type, b byte) (s Subclass, mark, ok bool) {
	if b&powerBit == 0 || b == none && t != Video {
		return Subclass(b), false, true
	}
	mark = t == Video && b&markBit != 0
	if b&markBit != 0 && !mark {
		return 0, false, false
	}
	return 1 << (b & exponent), mark, true
}

func pack(f Full) byte {
	if f.Subclass < powerBit && !f.Mark || f.Subclass == none && f.Type != Video {
		return byte(f.Subclass)
	}
	b := byte(powerBit | bits.TrailingZeros64(uint64(f.Subclass))&exponent)
	if f.Mark && f.Type == Video {
		b |= markBit
	}
	return b
}
