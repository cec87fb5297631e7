package peer

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Datagram is what a UDP packet says, whoever says it.
type Datagram struct {
	From, To netip.AddrPort
	Data     []byte
}

const (
	ipv4Head = 20
	udpHead  = 8
)

// ParseUDP reads an IPv4 packet; ok is false for what is no UDP. The data is part of
// the packet.
func ParseUDP(packet []byte) (d Datagram, ok bool) {
	from, to, ok := UDPPorts(packet)
	if !ok {
		return d, false
	}
	source, _ := netip.AddrFromSlice(packet[12:16])
	target, _ := netip.AddrFromSlice(packet[16:20])
	d.From, d.To = netip.AddrPortFrom(source, uint16(from)), netip.AddrPortFrom(target, uint16(to))
	d.Data = packet[4*int(packet[0]&15)+udpHead:]
	return d, true
}

// Packet gives the IPv4 packet, without the checksum of UDP, which may be left out
// (RFC 768).
func (d Datagram) Packet() []byte {
	b := make([]byte, ipv4Head+udpHead, ipv4Head+udpHead+len(d.Data))
	from, to := d.From.Addr().As4(), d.To.Addr().As4()
	b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(b[2:], uint16(cap(b)))
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	var sum uint32
	for i := 0; i < ipv4Head; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum+sum>>16))
	binary.BigEndian.PutUint16(b[ipv4Head:], d.From.Port())
	binary.BigEndian.PutUint16(b[ipv4Head+2:], d.To.Port())
	binary.BigEndian.PutUint16(b[ipv4Head+4:], uint16(udpHead+len(d.Data)))
	return append(b, d.Data...)
}
