package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A page of Ogg (RFC 3533 6):
//
//	0         4  5     6         14       18         22    26  27
//	| "OggS" | 0 | type | granule | serial | sequence | CRC | n | n lengths | data |
//
// A packet is as many of the lengths as follow each other at 255, and one less;
// what ends with a 255 goes on in the next page.
const (
	oggHead     = 27
	oggSegments = 255
	oggPage     = oggHead + oggSegments + oggSegments*255

	oggContinued = 1
	oggFirst     = 2
	oggLast      = 4
)

// oggPacketMost bounds a packet: 120 ms of Opus at its most, twice.
const oggPacketMost = 16 << 10

// page is one page of Ogg.
type page struct {
	kind     byte
	granule  uint64
	serial   uint32
	sequence uint32
	lengths  []byte
	data     []byte
}

// append writes the page after b.
func (p *page) append(b []byte) []byte {
	at := len(b)
	b = append(b, "OggS\x00"...)
	b = append(b, p.kind)
	b = binary.LittleEndian.AppendUint64(b, p.granule)
	b = binary.LittleEndian.AppendUint32(b, p.serial)
	b = binary.LittleEndian.AppendUint32(b, p.sequence)
	b = append(b, 0, 0, 0, 0, byte(len(p.lengths)))
	b = append(append(b, p.lengths...), p.data...)
	binary.LittleEndian.PutUint32(b[at+22:], oggCRC(b[at:]))
	return b
}

// add puts a whole packet on the page, if it has room.
func (p *page) add(packet []byte) bool {
	if len(p.lengths)+len(packet)/255+1 > oggSegments {
		return false
	}
	for n := len(packet); ; n -= 255 {
		p.lengths = append(p.lengths, byte(min(n, 255)))
		if n < 255 {
			break
		}
	}
	p.data = append(p.data, packet...)
	return true
}

var (
	errNoPage  = errors.New("not a page of Ogg")
	errDamaged = errors.New("a page of Ogg is damaged")
	// errChained says that the packets from here on are another stream's.
	errChained = errors.New("the next stream of Ogg begins")
)

// read takes the next page from a stream. io.EOF comes alone, between pages.
func (p *page) read(r io.Reader) error {
	var b [oggHead]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	if string(b[:5]) != "OggS\x00" {
		return errNoPage
	}
	p.lengths = append(p.lengths[:0], make([]byte, b[26])...)
	if _, err := io.ReadFull(r, p.lengths); err != nil {
		return io.ErrUnexpectedEOF
	}
	size := 0
	for _, n := range p.lengths {
		size += int(n)
	}
	p.data = append(p.data[:0], make([]byte, size)...)
	if _, err := io.ReadFull(r, p.data); err != nil {
		return io.ErrUnexpectedEOF
	}
	p.kind, p.granule = b[5], binary.LittleEndian.Uint64(b[6:])
	p.serial, p.sequence = binary.LittleEndian.Uint32(b[14:]), binary.LittleEndian.Uint32(b[18:])
	want := binary.LittleEndian.Uint32(b[22:])
	clear(b[22:26])
	if crc := oggSum(oggSum(oggSum(0, b[:]), p.lengths), p.data); crc != want {
		return errDamaged
	}
	return nil
}

// oggCRC is the checksum of a page whose own checksum is 0.
func oggCRC(b []byte) uint32 { return oggSum(0, b) }

// oggSum goes on with a checksum: the generator 0x04c11db7, the highest bit
// first, which hash/crc32 does not do.
func oggSum(crc uint32, b []byte) uint32 {
	for _, v := range b {
		crc ^= uint32(v) << 24
		for range 8 {
			carry := crc >> 31
			crc = crc<<1 ^ carry*0x04c11db7
		}
	}
	return crc
}

// packets puts the packets of one stream of Ogg together.
type packets struct {
	in      io.Reader
	page    page
	at      int // place in page.lengths
	offset  int // in page.data
	serial  uint32
	started bool
	within  bool // the stream's first page is past
	packet  []byte
}

// next gives a packet, valid until the next one; io.EOF at the end, and errChained
// where another stream follows (RFC 3533 4): radios begin one with each track.
func (p *packets) next() ([]byte, error) {
	p.packet = p.packet[:0]
	for {
		if p.at == len(p.page.lengths) {
			if err := p.turn(); err != nil {
				return nil, err
			}
			continue
		}
		n := int(p.page.lengths[p.at])
		p.packet = append(p.packet, p.page.data[p.offset:p.offset+n]...)
		p.at, p.offset = p.at+1, p.offset+n
		if len(p.packet) > oggPacketMost {
			return nil, fmt.Errorf("%w: a packet of more than %d bytes", ErrFormat, oggPacketMost)
		}
		if n < 255 {
			return p.packet, nil
		}
	}
}

// turn goes to the next page of the stream, or of the one that follows it; pages of
// streams beside it are passed over.
func (p *packets) turn() error {
	for {
		p.at, p.offset = 0, 0
		if err := p.page.read(p.in); err != nil {
			p.page.lengths = p.page.lengths[:0]
			return err
		}
		first := p.page.kind&oggFirst != 0
		switch {
		case !p.started:
			p.started, p.serial = true, p.page.serial
			return nil
		case first && p.within:
			p.serial, p.within = p.page.serial, false
			return errChained
		case p.page.serial == p.serial:
			p.within = true
			return nil
		}
	}
}
