package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wantedSocket is one that the configuration names.
type wantedSocket struct {
	setting, proto, addr string
}

func (x *examination) sockets() (all []wantedSocket) {
	for _, l := range []struct {
		proto string
		addrs []string
	}{{"udp", x.cfg.SIP.UDP}, {"tcp", x.cfg.SIP.TCP}, {"tls", x.cfg.SIP.TLS}} {
		for _, a := range l.addrs {
			all = append(all, wantedSocket{"[sip] " + l.proto, l.proto, a})
		}
	}
	if a := x.cfg.HTTP.Listen; a != "" {
		all = append(all, wantedSocket{"[http] listen", "http", a})
	}
	for proto, a := range map[string]string{"udp": x.cfg.ICE.UDP, "tcp": x.cfg.ICE.TCP} {
		if a != "" && !slices.Contains(x.cfg.HTTP.TLS, a) {
			all = append(all, wantedSocket{"[ice] " + proto, proto, a})
		}
	}
	for _, a := range x.cfg.IAX2.UDP {
		all = append(all, wantedSocket{"[iax2] udp", "iax2", a})
	}
	for _, a := range x.cfg.HTTP.TLS {
		all = append(all, wantedSocket{"[http] tls", "wss", a})
	}
	return all
}

func (x *examination) ports(context.Context) {
	const check = "ports"
	var held, free []string
	for _, s := range x.sockets() {
		name := s.proto + " " + s.addr
		if x.held(s) {
			held = append(held, name)
			continue
		}
		if err := tryListen(s); err != nil {
			x.failErr(check, err)
			continue
		}
		free = append(free, name)
	}
	if len(held) > 0 {
		x.ok(check, "held by the running server: "+strings.Join(held, ", "))
	}
	switch {
	case len(free) == 0:
	case x.server != nil:
		x.warn(check, "free, though the server runs: "+strings.Join(free, ", "), "the configuration has changed since its start: restart it")
	default:
		x.ok(check, "free: "+strings.Join(free, ", "))
	}
}

// held tells whether the running server has a socket.
func (x *examination) held(s wantedSocket) bool {
	want, err := netip.ParseAddrPort(s.addr)
	if err != nil || x.server == nil {
		return false
	}
	return slices.ContainsFunc(x.server.Sockets, func(l listening) bool {
		return l.Proto == s.proto && l.Addr.Addr().Unmap() == want.Addr().Unmap() && (want.Port() == 0 || want.Port() == l.Addr.Port())
	})
}

// tryListen opens a socket as the server would, and closes it.
func tryListen(s wantedSocket) error {
	var c interface{ Close() error }
	var err error
	if isUDP(s.proto) {
		c, err = net.ListenPacket("udp", s.addr)
	} else {
		c, err = listenTCP(s.addr)
	}
	if err != nil {
		return explainListen(err, s.setting, s.proto, s.addr)
	}
	return c.Close()
}

func (x *examination) rtp(context.Context) {
	const check = "media ports"
	first, last := int(x.cfg.RTP.First), int(x.cfg.RTP.Last)
	pairs := (last - first + 1) / 2
	if x.server != nil && x.server.PortsUsed >= x.server.PortsTotal {
		x.fail(check, fmt.Sprintf("all %s are in use: more calls get 503", count(x.server.PortsTotal, "pair")), "widen [rtp] ports and restart")
		return
	}
	what := fmt.Sprintf("udp %d-%d: enough for %s", first, last, count(pairs/2, "call"))
	low, high, ok := ephemeral()
	if ok && first <= high && last >= low {
		x.warn(check, fmt.Sprintf("%s, but ports %d-%d are those that the system gives to any program", what, low, high),
			fmt.Sprintf(`set [rtp] ports = "..." below %d`, low))
		return
	}
	if n := x.strangers(first, last); n > 0 {
		what += fmt.Sprintf("; %s in use by other programs, which is no harm", count(n, "port"))
	}
	x.ok(check, what)
}

// ephemeral is the range from which the system gives ports.
func ephemeral() (low, high int, ok bool) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, 0, false
	}
	n, _ := fmt.Sscan(string(text), &low, &high)
	return low, high, n == 2
}

// strangers counts the UDP ports of a range that others than the server have.
func (x *examination) strangers(first, last int) int {
	used := map[int]bool{}
	for _, port := range udpPorts() {
		if port >= first && port <= last {
			used[port] = true
		}
	}
	n := len(used)
	if x.server != nil {
		n -= 2 * x.server.PortsUsed
	}
	return max(n, 0)
}

// udpPorts are the ports that are bound, as /proc tells.
func udpPorts() (ports []int) {
	for _, table := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		eachSocket(table, func(local, _, _ string) {
			_, hex, _ := strings.Cut(local, ":")
			if port, err := strconv.ParseUint(hex, 16, 16); err == nil {
				ports = append(ports, int(port))
			}
		})
	}
	return ports
}

// own are this machine's addresses on which phones can reach the server.
func (x *examination) own() (addrs []netip.Addr) {
	all := interfaceAddrs()
	for _, text := range slices.Concat(x.cfg.SIP.UDP, x.cfg.SIP.TCP, x.cfg.SIP.TLS) {
		ap, err := netip.ParseAddrPort(text)
		if err != nil {
			continue
		}
		listens := ap.Addr().Unmap()
		if !listens.IsUnspecified() {
			addrs = append(addrs, listens)
			continue
		}
		for _, a := range all {
			if listens.Is6() || a.Is4() {
				addrs = append(addrs, a)
			}
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.DeleteFunc(slices.Compact(addrs), func(a netip.Addr) bool { return a.IsLoopback() || a.IsLinkLocalUnicast() })
}

// inside says which address phones in the same networks are told.
func (x *examination) inside(context.Context) {
	const check = "inside"
	own := x.own()
	if len(own) == 0 {
		x.warn(check, "only programs on this machine reach the server: it listens on no address of a network",
			`set [sip] udp = ["0.0.0.0:5060"], or connect this machine to a network`)
		return
	}
	x.ok(check, "phones in the networks of [sip] local are told the address that they reach: "+join(own))
	for _, a := range own {
		if (a.IsPrivate() || sharedSpace.Contains(a)) && !x.isInside(a) {
			x.warn(check, fmt.Sprintf("%s is in no network of [sip] local: phones there are told the outside address", a),
				"add its network to [sip] local, unless they come from outside")
		}
	}
}

// isInside is what package sip decides of a phone's address.
func (x *examination) isInside(a netip.Addr) bool {
	return a.IsLoopback() || a.IsLinkLocalUnicast() || a.Is6() && a.IsPrivate() ||
		slices.ContainsFunc(x.cfg.SIP.Local, func(p netip.Prefix) bool { return p.Contains(a) })
}

func join(addrs []netip.Addr) string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}

// lookupTime bounds the look-up of [sip] external.
const lookupTime = 3 * time.Second

// outside says which address phones elsewhere are told.
func (x *examination) outside(ctx context.Context) {
	const check = "outside"
	given := x.cfg.SIP.External
	addr, err := netip.ParseAddr(given)
	switch {
	case given != "" && err != nil:
		x.named(ctx, check, given)
	case given != "":
		x.told(check, addr, "as [sip] external says")
	case publicInterface():
		x.ok(check, "this machine has a public address, which phones outside are told")
	case x.server == nil:
		x.ok(check, "found by asking "+stunServer+" (STUN) once the server runs; [sip] external sets it")
	default:
		x.found(check)
	}
}

func (x *examination) named(ctx context.Context, check, name string) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
	if err != nil {
		x.fail(check, fmt.Sprintf("[sip] external = %q is not found: %v", name, err), "write an address, or a name that DNS knows")
		return
	}
	x.told(check, addrs[0].Unmap(), "which is "+name)
}

// found judges what STUN told the server.
func (x *examination) found(check string) {
	addr, err := netip.ParseAddr(x.server.External)
	if err != nil {
		x.warn(check, "the public address is not known: "+stunServer+" (STUN) does not answer; phones outside are told the inside address, and hear nothing",
			`set [sip] external = "..." if phones are outside; if none are, all is well`)
		return
	}
	x.told(check, addr, "as STUN says")
}

// told judges the address that phones outside are told.
func (x *examination) told(check string, a netip.Addr, why string) {
	what := fmt.Sprintf("phones outside are told %s, %s", a, why)
	switch {
	case slices.Contains(interfaceAddrs(), a):
		x.ok(check, what)
	case a.IsPrivate() || sharedSpace.Contains(a):
		x.warn(check, what+", which cannot be reached from the internet", "give the public address in [sip] external if phones are outside")
	default:
		x.add(check, fine, what+"; this machine is behind NAT",
			fmt.Sprintf("if phones are outside, let the router forward udp %s and udp %s to this machine", sipPorts(x.cfg.SIP.UDP), x.cfg.RTP.Ports))
	}
}

func sipPorts(addrs []string) string {
	var ports []string
	for _, a := range addrs {
		if _, p, err := net.SplitHostPort(a); err == nil && !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	return strings.Join(ports, ", ")
}
