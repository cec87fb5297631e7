package frame

import "encoding/binary"

const (
	miniHeader  = 4
	videoHeader = 6
	videoBit    = 0x80
)

// Mini is sound that is sent once (8.1.2). Its format and the upper half of its
// time are those of the last full voice frame.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-----------------------------+-------------------------------+
//	|0|     Source call number      |      Time, lower 16 bits      |
//	+-+-----------------------------+-------------------------------+
//	|                           Payload ...
type Mini struct {
	Source  uint16 // 1 to MaxNumber
	Time    uint16 // ms
	Payload []byte // borrowed
}

// ParseMini reads a datagram whose Kind is KindMini.
func ParseMini(b []byte) (Mini, error) {
	if len(b) < miniHeader {
		return Mini{}, short("mini frame", len(b), miniHeader)
	}
	return Mini{
		Source: binary.BigEndian.Uint16(b) & numberMask, Time: binary.BigEndian.Uint16(b[2:]),
		Payload: b[miniHeader:],
	}, nil
}

// AppendMini writes m.
func AppendMini(dst []byte, m Mini) []byte {
	dst = binary.BigEndian.AppendUint16(dst, m.Source&numberMask)
	dst = binary.BigEndian.AppendUint16(dst, m.Time)
	return append(dst, m.Payload...)
}

// MiniVideo is a piece of a picture that is sent once (8.1.3.2). Its format and
// the upper bits of its time are those of the last full video frame.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------------------------------+-+-----------------------------+
//	|               0               |1|     Source call number      |
//	+-+-----------------------------+-+-----------------------------+
//	|M|    Time, lower 15 bits      |          Payload ...
//	+-+-----------------------------+
//
// The RFC gives the time all sixteen bits; the mark that says where a picture
// ends has been the first of them in every implementation since.
type MiniVideo struct {
	Source  uint16 // 1 to MaxNumber
	Time    uint16 // ms, 15 bits
	Mark    bool   // the last piece of a picture
	Payload []byte // borrowed
}

// ParseMiniVideo reads a datagram whose Kind is KindMiniVideo.
func ParseMiniVideo(b []byte) (MiniVideo, error) {
	if len(b) < videoHeader {
		return MiniVideo{}, short("mini video frame", len(b), videoHeader)
	}
	ts := binary.BigEndian.Uint16(b[4:])
	return MiniVideo{
		Source: binary.BigEndian.Uint16(b[2:]) & numberMask,
		Time:   ts & numberMask, Mark: ts&topBit != 0, Payload: b[videoHeader:],
	}, nil
}

// AppendMiniVideo writes v.
func AppendMiniVideo(dst []byte, v MiniVideo) []byte {
	ts := v.Time & numberMask
	if v.Mark {
		ts |= topBit
	}
	dst = append(dst, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, v.Source|topBit)
	dst = binary.BigEndian.AppendUint16(dst, ts)
	return append(dst, v.Payload...)
}
