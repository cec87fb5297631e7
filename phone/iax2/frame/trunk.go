package frame

import (
	"encoding/binary"
	"fmt"
)

const (
	metaTrunk   = 1 // meta command
	trunkTimes  = 1 // command data: entries have times
	trunkHeader = 8
	entryPlain  = 4
	entryTimed  = 6
)

// Trunk is the sound of many calls between two servers in one datagram
// (8.1.3.1), so that they share its headers:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------------------------------+-+-------------+---------------+
//	|               0               |0|Meta command |Command data |T|
//	+-------------------------------+-+-------------+---------------+
//	|                        Time, milliseconds                     |
//	+---------------------------------------------------------------+
//	|                            Entries ...
//
//	an entry with T = 0                  an entry with T = 1
//	+------------------+------------+    +------------+------------------+
//	|0|  Source call   |   Length   |    |   Length   |0|  Source call   |
//	+------------------+------------+    +------------+------------------+
//	|        Payload ...                 | Time (ms)  |   Payload ...
//
// The meta command is 1. Without T all sounds have the datagram's time.
type Trunk struct {
	Time   uint32 // ms, of the sender's trunk, not of a call
	Timed  bool   // T: entries carry times of their own
	Length int    // of all entries in bytes
	rest   []byte
}

// Entry is the sound of one call in a Trunk.
type Entry struct {
	Source  uint16 // 1 to MaxNumber
	Time    uint16 // ms, lower 16 bits of the call's time; 0 where not Timed
	Payload []byte // borrowed
}

// ParseTrunk reads the header of a datagram whose Kind is KindTrunk; Next
// reads the entries.
func ParseTrunk(b []byte) (Trunk, error) {
	if len(b) < trunkHeader {
		return Trunk{}, short("trunk frame", len(b), trunkHeader)
	}
	if KindOf(b) != KindTrunk {
		return Trunk{}, fmt.Errorf("iax2: not a trunk frame: it begins with % x", b[:miniHeader])
	}
	return Trunk{
		Time: binary.BigEndian.Uint32(b[4:]), Timed: b[3]&trunkTimes != 0,
		Length: len(b) - trunkHeader, rest: b[trunkHeader:],
	}, nil
}

// Next gives the next entry. more is false at the end. An entry that is longer
// than what is left is an error, and the last: where it ends nobody knows.
func (t *Trunk) Next() (e Entry, more bool, err error) {
	if len(t.rest) == 0 {
		return Entry{}, false, nil
	}
	header := entryPlain
	if t.Timed {
		header = entryTimed
	}
	rest := t.rest
	t.rest = nil
	if len(rest) < header {
		return Entry{}, false, short("trunk entry", len(rest), header)
	}
	e, length := entry(rest, t.Timed)
	if length > len(rest)-header {
		return Entry{}, false, fmt.Errorf("%w: trunk entry of call %d announces %d bytes, has %d",
			ErrShort, e.Source, length, len(rest)-header)
	}
	e.Payload, t.rest = rest[header:header+length], rest[header+length:]
	return e, true, nil
}

func entry(b []byte, timed bool) (e Entry, length int) {
	first, second := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if timed {
		return Entry{Source: second & numberMask, Time: binary.BigEndian.Uint16(b[4:])}, int(first)
	}
	return Entry{Source: first & numberMask}, int(second)
}

// AppendTrunk writes the header of a trunk frame, to which AppendEntry adds.
func AppendTrunk(dst []byte, time uint32, timed bool) []byte {
	data := byte(0)
	if timed {
		data = trunkTimes
	}
	dst = append(dst, 0, 0, metaTrunk, data)
	return binary.BigEndian.AppendUint32(dst, time)
}

// EntryLength is how many bytes AppendEntry adds for a payload.
func EntryLength(payload int, timed bool) int {
	if timed {
		return entryTimed + payload
	}
	return entryPlain + payload
}

// AppendEntry adds e to the trunk frame that dst is, unless dst would become
// longer than limit or e longer than its length field can say: then ok is
// false and dst as it was.
func AppendEntry(dst []byte, e Entry, limit int) (_ []byte, ok bool) {
	if len(dst) < trunkHeader || len(e.Payload) > 0xffff {
		return dst, false
	}
	timed := dst[3]&trunkTimes != 0
	if len(dst)+EntryLength(len(e.Payload), timed) > limit {
		return dst, false
	}
	source, length := e.Source&numberMask, uint16(len(e.Payload))
	if timed {
		dst = binary.BigEndian.AppendUint16(dst, length)
		dst = binary.BigEndian.AppendUint16(dst, source)
		dst = binary.BigEndian.AppendUint16(dst, e.Time)
	} else {
		dst = binary.BigEndian.AppendUint16(dst, source)
		dst = binary.BigEndian.AppendUint16(dst, length)
	}
	return append(dst, e.Payload...), true
}
