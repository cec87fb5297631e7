package frame

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

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
