package peer

import (
	"encoding/binary"
	"fmt"
	"os"
	"testing"
)

// CableLog is what UDP passed a cable of a Machine, as it was on it: with tags in the
// frames, and with the checksums that cards have made.
type CableLog struct {
	Plain, Tagged [2]int   // frames without and with a VLAN's tag, of IPv4 and of IPv6
	Wrong         []string // what a receiver would throw away, the first few
}

// maxWrong bounds the list.
const maxWrong = 10

// Lengths of a pcap file (what qemu writes: one header, then one a frame).
const (
	pcapMagic  = 0xa1b2c3d4
	pcapHead   = 24
	pcapRecord = 16
	pcapLength = 8 // of the frame, in its header
)

// ReadCableLog reads the log of a cable when the machine is off.
func ReadCableLog(t testing.TB, file string) (c CableLog) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < pcapHead || binary.NativeEndian.Uint32(b) != pcapMagic {
		t.Fatalf("%s is no pcap file", file)
	}
	for b = b[pcapHead:]; len(b) >= pcapRecord; {
		n := int(binary.NativeEndian.Uint32(b[pcapLength:]))
		if b = b[pcapRecord:]; n > len(b) {
			break // the last one was not written to its end
		}
		c.frame(b[:n])
		b = b[n:]
	}
	return c
}

// Kinds of Ethernet frame.
const (
	frameVLAN = 0x8100
	frameIPv4 = 0x0800
	frameIPv6 = 0x86dd
)

func (c *CableLog) frame(b []byte) {
	const addresses, tag = 12, 4
	if len(b) < addresses+2 {
		return
	}
	count := &c.Plain
	b = b[addresses:]
	kind := binary.BigEndian.Uint16(b)
	if kind == frameVLAN && len(b) > tag+2 {
		count, b = &c.Tagged, b[tag:]
		kind = binary.BigEndian.Uint16(b)
	}
	b = b[2:]
	switch {
	case kind == frameIPv4 && len(b) >= 28 && b[0] == 0x45 && b[9] == 17 && binary.BigEndian.Uint16(b[6:])&0x3fff == 0:
		count[0]++
		c.check(b, onesSum(b[:20]) == 0xffff, b[12:20], b[20:])
	case kind == frameIPv6 && len(b) >= 48 && b[6] == 17:
		count[1]++
		c.check(b, true, b[8:40], b[40:])
	}
}

// check looks at the sums of a packet: its IP header's, and UDP's (RFC 768, RFC 8200
// 8.1).
func (c *CableLog) check(packet []byte, head bool, addresses, udp []byte) {
	n := int(binary.BigEndian.Uint16(udp[4:]))
	if n < 8 || n > len(udp) || len(c.Wrong) == maxWrong {
		return // padding of a short frame stands behind the datagram
	}
	pseudo := append(append([]byte(nil), addresses...), 0, 17, udp[4], udp[5])
	if sum := onesSum(append(pseudo, udp[:n]...)); !head || sum != 0xffff {
		c.Wrong = append(c.Wrong, fmt.Sprintf("IP header right: %v; with its own checksum UDP sums up to %04x: % x", head, sum, packet))
	}
}

// onesSum is the sum of the internet checksum (RFC 1071).
func onesSum(b []byte) uint16 {
	var sum uint32
	for i, v := range b {
		sum += uint32(v) << (8 * (1 - i%2))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}
