package frame

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxElement is the longest value of one element: its length is a byte.
const maxElement = 255

// maxElements bounds the elements of one message: the longest that anybody
// sends has about thirty, and variables are few.
const maxElements = 256

// element is one information element: where its value is kept, how it is read
// and written.
type element struct {
	id   byte
	name string
	// read takes the value. The last of repeated ones wins, as in Asterisk, so
	// that all servers on a call's way understand the same.
	read func(e *Elements, v []byte) error
	// write appends the whole element, or nothing if e has it not.
	write func(dst []byte, e *Elements) []byte
	// show tells people the value; nil where it is a secret, a proof or a key.
	show func(v []byte) string
}

// secret hides an element's value from who watches.
func secret(e element) element {
	e.show = nil
	return e
}

func showText(v []byte) string { return strconv.Quote(clean(v)) }

func showHex(v []byte) string { return hex.EncodeToString(v) }

func showNumber(v []byte) string {
	n, err := decode(v)
	if err != nil {
		return showHex(v)
	}
	return strconv.FormatUint(n, 10)
}

// whole appends an element with the value v, of which what is too long is cut.
func whole(dst []byte, id byte, v []byte) []byte {
	v = v[:min(len(v), maxElement)]
	return append(append(dst, id, byte(len(v))), v...)
}

func length(v []byte, need int) error {
	if len(v) != need {
		return fmt.Errorf("has %d bytes, needs %d", len(v), need)
	}
	return nil
}

func text(id byte, name string, at func(*Elements) *string) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error { *at(e) = clean(v); return nil },
		func(dst []byte, e *Elements) []byte {
			if s := *at(e); s != "" {
				return whole(dst, id, []byte(cut(s)))
			}
			return dst
		},
		showText,
	}
}

func binaryValue(id byte, name string, at func(*Elements) *[]byte) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error { *at(e) = present(v); return nil },
		func(dst []byte, e *Elements) []byte {
			if v := *at(e); len(v) > 0 {
				return whole(dst, id, v)
			}
			return dst
		},
		showHex,
	}
}

// maybeBinary may be empty and present.
func maybeBinary(id byte, name string, at func(*Elements) *Maybe[[]byte]) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error { *at(e) = Some(present(v)); return nil },
		func(dst []byte, e *Elements) []byte {
			if m := at(e); m.Present {
				return whole(dst, id, m.Value)
			}
			return dst
		},
		showHex,
	}
}

type unsigned interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64
}

// number is absent when it is 0. Size is its length in bytes.
func number[T unsigned](id byte, name string, size int, at func(*Elements) *T) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error { return readNumber(v, size, at(e)) },
		func(dst []byte, e *Elements) []byte {
			if *at(e) == 0 {
				return dst
			}
			return writeNumber(dst, id, size, uint64(*at(e)))
		},
		showNumber,
	}
}

// maybe is a number of which 0 has a meaning.
func maybe[T unsigned](id byte, name string, size int, at func(*Elements) *Maybe[T]) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error {
			m := Maybe[T]{Present: true}
			if err := readNumber(v, size, &m.Value); err != nil {
				return err
			}
			*at(e) = m
			return nil
		},
		func(dst []byte, e *Elements) []byte {
			if m := at(e); m.Present {
				return writeNumber(dst, id, size, uint64(m.Value))
			}
			return dst
		},
		showNumber,
	}
}

// reported is one number of a Report, all of which are written together.
func reported[T unsigned](id byte, name string, size int, at func(*Report) *T) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error {
			if err := readNumber(v, size, at(&e.Report.Value)); err != nil {
				return err
			}
			e.Report.Present = true
			return nil
		},
		func(dst []byte, e *Elements) []byte {
			if !e.Report.Present {
				return dst
			}
			return writeNumber(dst, id, size, uint64(*at(&e.Report.Value)))
		},
		showNumber,
	}
}

// flag says all by being there.
func flag(id byte, name string, at func(*Elements) *bool) element {
	return element{
		id, name,
		func(e *Elements, _ []byte) error { *at(e) = true; return nil },
		func(dst []byte, e *Elements) []byte {
			if *at(e) {
				return whole(dst, id, nil)
			}
			return dst
		},
		showHex,
	}
}

func readNumber[T unsigned](v []byte, size int, to *T) error {
	if err := length(v, size); err != nil {
		return err
	}
	n, err := decode(v)
	*to = T(n)
	return err
}

func decode(v []byte) (n uint64, err error) {
	if len(v) > 8 {
		return 0, fmt.Errorf("has %d bytes, a number has at most 8", len(v))
	}
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	return n, nil
}

func writeNumber(dst []byte, id byte, size int, n uint64) []byte {
	var v [8]byte
	binary.BigEndian.PutUint64(v[:], n)
	return whole(dst, id, v[len(v)-size:])
}

// present is v, or nil if it is empty.
func present(v []byte) []byte {
	if len(v) == 0 {
		return nil
	}
	return v
}

// clean makes text of what a stranger sent: see Elements.
func clean(v []byte) string {
	s, _, _ := strings.Cut(string(v), "\x00")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// cut shortens text to what an element holds, between two characters.
func cut(s string) string {
	if len(s) <= maxElement {
		return s
	}
	end := maxElement
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// Lengths of an address: C's sockaddr_in and sockaddr_in6, which is what the
// element holds.
//
//	+--------+------+---------+---------------+      +--------+------+------+---------+-------+
//	| family | port | address | 8 bytes of 0  |  or  | family | port | flow | address | scope |
//	+--------+------+---------+---------------+      +--------+------+------+---------+-------+
//
// The family's order of bytes and its number for IPv6 are those of the
// sender's machine, so the length tells which it is; Linux on most machines
// writes 02 00 and 0A 00, and so does this program (8.6).
const (
	addressIPv4 = 16
	addressIPv6 = 28
	familyIPv4  = 2
	familyIPv6  = 10
)

func readAddress(v []byte) (netip.AddrPort, error) {
	var ip netip.Addr
	switch len(v) {
	case addressIPv4:
		ip = netip.AddrFrom4([4]byte(v[4:8]))
	case addressIPv6:
		ip = netip.AddrFrom16([16]byte(v[8:24])).Unmap()
	default:
		return netip.AddrPort{}, fmt.Errorf("has %d bytes, needs %d or %d", len(v), addressIPv4, addressIPv6)
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(v[2:])), nil
}

func writeAddress(dst []byte, id byte, a netip.AddrPort) []byte {
	var v [addressIPv6]byte
	binary.BigEndian.PutUint16(v[2:], a.Port())
	if ip := a.Addr().Unmap(); ip.Is4() {
		v[0] = familyIPv4
		copy(v[4:], ip.AsSlice())
		return whole(dst, id, v[:addressIPv4])
	}
	v[0] = familyIPv6
	copy(v[8:], a.Addr().AsSlice())
	return whole(dst, id, v[:])
}
