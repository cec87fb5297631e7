package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// netlink asks the kernel about routes and sets filters (rtnetlink(7)). Each
// request has a socket of its own: they are rare, and share nothing so.

// attribute is a netlink attribute to send.
type attribute struct {
	kind  uint16
	value []byte
}

func appendAttributes(b []byte, list ...attribute) []byte {
	for _, a := range list {
		b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(a.value)))
		b = binary.NativeEndian.AppendUint16(b, a.kind)
		b = append(b, a.value...)
		for len(b)%unix.RTA_ALIGNTO != 0 {
			b = append(b, 0)
		}
	}
	return b
}

// word is a 32-bit attribute's value.
func word(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// netlinkRoom takes the longest answer to one request.
const netlinkRoom = 16 << 10

// ask sends one request about routes and interfaces and gives the answers' bodies
// of a type; 0 is the acknowledgement alone.
func ask(kind, flags uint16, body []byte, want uint16) (bodies [][]byte, err error) {
	return askOf(unix.NETLINK_ROUTE, kind, flags, body, want)
}

// askOf is ask of a part of the kernel.
func askOf(part int, kind, flags uint16, body []byte, want uint16) (bodies [][]byte, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, part)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|flags)
	b = append(b, make([]byte, 8)...) // sequence number and port: one request a socket
	if err := unix.Sendto(fd, append(b, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("netlink request: %w", err)
	}
	room := make([]byte, netlinkRoom)
	n, _, err := unix.Recvfrom(fd, room, 0)
	if err != nil {
		return nil, fmt.Errorf("netlink answer: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(room[:n])
	if err != nil {
		return nil, fmt.Errorf("netlink answer: %w", err)
	}
	for _, m := range messages {
		switch {
		case m.Header.Type == want:
			bodies = append(bodies, m.Data)
		case m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4:
			if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
				return nil, syscall.Errno(-code)
			}
		}
	}
	return bodies, nil
}

// Of NETLINK_XFRM (linux/xfrm.h): the request is a struct xfrm_userpolicy_id.
const (
	getPolicy   = 0x15
	newPolicy   = 0x13
	policyIDLen = 64
)

// encrypts tells whether the machine has IPsec policies. A redirected packet
// leaves without a look at them: in the clear, where they say that it must not.
func encrypts() bool {
	policies, err := askOf(unix.NETLINK_XFRM, getPolicy, unix.NLM_F_DUMP, make([]byte, policyIDLen), newPolicy)
	return err == nil && len(policies) > 0 // an error: this kernel has no IPsec
}

var errNoRoute = errors.New("no route")

// findRoute asks by which interface packets to an address leave.
func findRoute(to netip.Addr) (ifindex uint32, local bool, err error) {
	family := byte(unix.AF_INET6)
	if to.Is4() {
		family = unix.AF_INET
	}
	body := make([]byte, unix.SizeofRtMsg)
	body[0], body[1] = family, byte(to.BitLen())
	answers, err := ask(unix.RTM_GETROUTE, 0, appendAttributes(body, attribute{unix.RTA_DST, to.AsSlice()}), unix.RTM_NEWROUTE)
	if err != nil {
		return 0, false, fmt.Errorf("%w to %v: %w", errNoRoute, to, err)
	}
	for _, answer := range answers {
		if ifindex, local, ok := parseRoute(answer); ok {
			return ifindex, local, nil
		}
	}
	return 0, false, fmt.Errorf("%w to one host at %v", errNoRoute, to)
}

// parseRoute reads a struct rtmsg with its attributes: the interface of a route
// to one host, or that the host is this machine.
func parseRoute(b []byte) (ifindex uint32, local, ok bool) {
	if len(b) < unix.SizeofRtMsg {
		return 0, false, false
	}
	switch b[7] { // rtm_type
	case unix.RTN_LOCAL:
		return 0, true, true
	case unix.RTN_UNICAST:
	default:
		return 0, false, false
	}
	for b = b[unix.SizeofRtMsg:]; len(b) >= unix.SizeofRtAttr; {
		length, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if length < unix.SizeofRtAttr || length > len(b) {
			break
		}
		if kind == unix.RTA_OIF && length == unix.SizeofRtAttr+4 {
			ifindex = binary.NativeEndian.Uint32(b[unix.SizeofRtAttr:])
			return ifindex, false, ifindex != 0
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return 0, false, false
}
