package e2e

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// Homes on an internet of namespaces, with documentation addresses (RFC 5737):
//
//	home 1: 10.77.1.2 ── 10.77.1.1 nat 198.51.100.11 ──┐
//	                                                    ├─ 198.51.100.1 public
//	home 2: 10.77.2.2 ── 10.77.2.1 nat 198.51.100.12 ──┘
//
// Each NAT gives every pair of addresses another port, and lets in only what
// answers: nobody behind two of them reaches anybody without a relay.
type homes struct {
	internet // public alone is used
	home     []home
}

type home struct {
	nat, lan        peer.Netns
	inside, outside string // addresses of the machine in it, and of its NAT
	ports           string // that its NAT gives, one for each of those inside, as "to :20000-24999"; empty: another for each pair
}

func newHomes(t *testing.T, n int) homes {
	t.Helper()
	peer.NeedRoot(t)
	peer.Need(t, "ip", "nft")
	id := fmt.Sprintf("%d%s", os.Getpid(), strings.ToLower(t.Name()[len(t.Name())-3:]))
	h := homes{internet: internet{public: peer.Netns("tc-net-" + id)}}
	h.space(t, h.public)
	public := string(h.public)
	h.ip(t, "-n", public, "link", "add", "net", "type", "bridge")
	h.ip(t, "-n", public, "address", "add", publicIP+"/24", "dev", "net")
	h.ip(t, "-n", public, "link", "set", "net", "up")
	h.ip(t, "-n", public, "route", "add", "default", "dev", "net") // what is for nobody is lost, as outside; coturn gives up at an error
	for i := 1; i <= n; i++ {
		o := home{
			nat: peer.Netns(fmt.Sprintf("tc-nat%d-%s", i, id)), lan: peer.Netns(fmt.Sprintf("tc-lan%d-%s", i, id)),
			inside: fmt.Sprintf("10.77.%d.2", i), outside: fmt.Sprintf("198.51.100.%d", 10+i),
		}
		h.space(t, o.nat)
		h.space(t, o.lan)
		port := fmt.Sprintf("home%d", i)
		h.ip(t, "link", "add", "out", "netns", string(o.nat), "type", "veth", "peer", "name", port, "netns", public)
		h.ip(t, "-n", string(o.nat), "address", "add", o.outside+"/24", "dev", "out")
		h.ip(t, "-n", string(o.nat), "link", "set", "out", "up")
		h.ip(t, "-n", public, "link", "set", port, "master", "net", "up")
		gateway := fmt.Sprintf("10.77.%d.1", i)
		h.wire(t, o.nat, "in", gateway, o.lan, "nat", o.inside)
		h.ip(t, "-n", string(o.lan), "route", "add", "default", "via", gateway)
		h.run(t, "ip", "netns", "exec", string(o.nat), "sysctl", "-qw", "net.ipv4.ip_forward=1")
		o.rules(t, "")
		h.home = append(h.home, o)
	}
	return h
}

func (h homes) space(t *testing.T, ns peer.Netns) {
	t.Helper()
	h.ip(t, "netns", "add", string(ns))
	t.Cleanup(func() { h.ip(t, "netns", "delete", string(ns)) })
	h.ip(t, "-n", string(ns), "link", "set", "lo", "up")
}

// rules are of the NAT; in: what it lets in unasked.
func (o home) rules(t *testing.T, in string) {
	t.Helper()
	command := exec.Command("ip", "netns", "exec", string(o.nat), "nft", "-f", "-")
	command.Stdin = strings.NewReader(fmt.Sprintf(`table ip nat
delete table ip nat
table ip nat {
	chain in {
		type nat hook prerouting priority dstnat
		%s
	}
	chain out {
		type nat hook postrouting priority srcnat
		meta l4proto { tcp, udp } oifname "out" masquerade %s
	}
}
table ip filter
delete table ip filter
table ip filter {
	chain input {
		type filter hook input priority filter
		iifname "out" ct state new drop
	}
	chain forward {
		type filter hook forward priority filter
		iifname "out" ct state { established, related } accept
		iifname "out" ct status dnat accept
		iifname "out" drop
	}
}
`, in, cmp.Or(o.ports, "fully-random")))
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, output)
	}
}

// forwards lets SIP in to a machine in the home, and nothing else.
func (o home) forwards(t *testing.T, port int) {
	t.Helper()
	o.rules(t, fmt.Sprintf(`iifname "out" udp dport %[1]d dnat to %[2]s
		iifname "out" tcp dport %[1]d dnat to %[2]s`, port, o.inside))
}

// TestICEBehindTwoNATs: a server at home, of which only SIP is let in, and a phone
// at another home: media goes by a relay that the server asks for.
func TestICEBehindTwoNATs(t *testing.T) {
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) { byRelay(t, transport) })
	}
}

func byRelay(t *testing.T, transport string) {
	t.Helper()
	h := newHomes(t, 2)
	relay := peer.StartTurn(t, publicIP, h.public)
	t.Setenv("SSL_CERT_FILE", relay.Certificate)
	at := fmt.Sprintf("turn:%s?transport=%s", relay.Address, transport)
	if transport == "tls" {
		at = fmt.Sprintf("turns:%s?transport=tcp", relay.AddressTLS)
	}
	own, far := h.home[0], h.home[1]
	s := startServerAt(t, place{
		ip: own.inside, external: own.outside, netns: own.lan,
		more: fmt.Sprintf("[ice]\nturn = [%q]\nuser = %q\npassword = %q\n", at, relay.User, relay.Password),
	}, eachByICE(bob)+people(ada))
	own.forwards(t, s.sip)
	a := baresip(t, s, ada, func(a *peer.Account) { a.IP, a.Netns = own.inside, own.lan })
	b := baresip(t, s, bob, func(b *peer.Account) {
		b.IP, b.Netns, b.Server, b.ICE, b.STUN = far.inside, far.lan, fmt.Sprintf("%s:%d", own.outside, s.sip), true, relay.Address
	})
	connect(t, b, a, ada)
	s.Await(t, wayTo(bob))
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
	if said := strings.Join(s.Output(), "\n"); !strings.Contains(said, `"by":"relay"`) {
		t.Errorf("not by the relay:\n%s", said)
	}
}

// TestICEPhonesBehindNATs: both phones are behind NATs of their own, the server is
// in between.
func TestICEPhonesBehindNATs(t *testing.T) {
	h := newHomes(t, 2)
	s := startServerAt(t, place{ip: publicIP, netns: h.public}, eachByICE(ada, bob))
	a := baresip(t, s, ada, func(a *peer.Account) { a.IP, a.Netns, a.ICE = h.home[0].inside, h.home[0].lan, true })
	b := baresip(t, s, bob, func(b *peer.Account) { b.IP, b.Netns, b.ICE = h.home[1].inside, h.home[1].lan, true })
	connect(t, a, b, bob)
	s.Await(t, wayTo(ada))
	hearEachOther(t, a, adaTone, b, bobTone)
	h.home[0].rules(t, "") // the NAT forgets, and gives other ports
	h.run(t, "ip", "netns", "exec", string(h.home[0].nat), "conntrack", "-F")
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

// TestBrowserWhoseNATForgets: mid-call its media comes from another port.
func TestBrowserWhoseNATForgets(t *testing.T) {
	peer.Need(t, "conntrack")
	h := newHomes(t, 1)
	s := startServerAt(t, place{ip: publicIP, netns: h.public}, people(ada, bob))
	a := browser(t, s, ada, func(a *peer.Account) { a.IP, a.Netns = h.home[0].inside, h.home[0].lan })
	b := baresip(t, s, bob, func(b *peer.Account) { b.IP, b.Netns = publicIP, h.public })
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	h.run(t, "ip", "netns", "exec", string(h.home[0].nat), "conntrack", "-D", "-p", "udp")
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

// TestBrowserMovesToAnotherAddress: mid-call its machine loses its address and gets
// another, as between two networks: it registers from there, and both look for a
// way anew.
func TestBrowserMovesToAnotherAddress(t *testing.T) {
	h := newHomes(t, 1)
	own := h.home[0]
	s := startServerAt(t, place{ip: publicIP, netns: h.public}, people(ada, bob))
	a := browser(t, s, ada, func(a *peer.Account) { a.IP, a.Netns = own.inside, own.lan })
	b := baresip(t, s, bob, func(b *peer.Account) { b.IP, b.Netns = publicIP, h.public })
	connect(t, a, b, bob)
	s.Await(t, wayTo(ada))
	hearEachOther(t, a, adaTone, b, bobTone)
	lan := string(own.lan)
	h.ip(t, "-n", lan, "address", "add", "10.77.1.3/24", "dev", "nat")
	h.ip(t, "-n", lan, "address", "delete", own.inside+"/24", "dev", "nat")
	h.ip(t, "-n", lan, "address", "replace", "10.77.1.3/24", "dev", "nat") // it went with the other, being second
	h.ip(t, "-n", lan, "route", "replace", "default", "via", "10.77.1.1")
	a.Reconnect(t)
	s.Await(t, wayTo(ada))
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
}

// TestBrowserByRelay: a browser whose page gives it a relay and nothing else.
func TestBrowserByRelay(t *testing.T) {
	h := newHomes(t, 1)
	relay := peer.StartTurn(t, publicIP, h.public)
	s := startServerAt(t, place{ip: publicIP, netns: h.public}, people(ada, bob))
	a := browser(t, s, ada, func(a *peer.Account) {
		a.IP, a.Netns = h.home[0].inside, h.home[0].lan
		a.Relays = map[string]any{"iceTransportPolicy": "relay", "iceServers": []map[string]string{
			{"urls": "turn:" + relay.Address + "?transport=tcp", "username": relay.User, "credential": relay.Password},
		}}
	})
	b := baresip(t, s, bob, func(b *peer.Account) { b.IP, b.Netns = publicIP, h.public })
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	if pair := a.Pair(t); !strings.HasPrefix(pair, "relay/") {
		t.Errorf("by %s", pair)
	}
	hangUp(t, b, a)
}

// TestBrowserWithPort443Alone: a network lets through TCP to port 443 and nothing
// else. Signalling and media both go there.
func TestBrowserWithPort443Alone(t *testing.T) {
	h := newHomes(t, 1)
	h.home[0].lets443Out(t)
	const port = 443
	s := startServerAt(t, place{
		ip: publicIP, netns: h.public, wss: port, more: fmt.Sprintf("[ice]\ntcp = \"%s:%d\"\n", publicIP, port),
	}, people(ada, bob))
	a := browser(t, s, ada, func(a *peer.Account) { a.IP, a.Netns = h.home[0].inside, h.home[0].lan })
	b := baresip(t, s, bob, func(b *peer.Account) { b.IP, b.Netns = publicIP, h.public })
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	if said := strings.Join(s.Output(), "\n"); !strings.Contains(said, `"by":"tcp"`) {
		t.Errorf("not by TCP:\n%s", said)
	}
	hangUp(t, b, a)
	connect(t, b, a, ada)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

// lets443Out drops all else that leaves the home.
func (o home) lets443Out(t *testing.T) {
	t.Helper()
	command := exec.Command("ip", "netns", "exec", string(o.nat), "nft", "-f", "-")
	command.Stdin = strings.NewReader(`table ip narrow {
	chain out {
		type filter hook forward priority -10
		iifname "in" tcp dport 443 accept
		iifname "in" drop
	}
}
`)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, output)
	}
}

// eachByICE are people whose phones are offered ICE.
func eachByICE(numbers ...string) string {
	space := ""
	for _, n := range numbers {
		space += people(n) + "ice = \"wanted\"\n"
	}
	return space
}

// TestNoWayByICE: a home whose network carries signalling alone, and a server without
// a relay: the call is answered, no sound can pass, and it ends by itself and says
// what was tried.
func TestNoWayByICE(t *testing.T) {
	t.Parallel() // most of it is waiting
	h := newHomes(t, 1)
	h.home[0].lets443Out(t)
	s := startServerAt(t, place{ip: publicIP, netns: h.public, wss: 443}, people(ada, bob))
	a := browser(t, s, ada, func(a *peer.Account) { a.IP, a.Netns = h.home[0].inside, h.home[0].lan })
	b := baresip(t, s, bob, traced, func(b *peer.Account) { b.IP, b.Netns = publicIP, h.public })
	connect(t, a, b, bob)
	id := s.onlyCall(t)
	s.awaitFared(t, id, func(f *fared) bool {
		return f.says("audio from "+ada+" never arrived: nothing has come by any way that ICE tried: a firewall on its side stops UDP", false)
	})
	s.awaitFared(t, id, func(f *fared) bool { return !f.Stands })
	a.AwaitClosed(t)
	const found = "no way to the phone was found in 30 s: "
	b.Await(t, found)
	r := s.onlyRecord(t)
	if r.Cause != "media-timeout" || r.EndedBy != "server" || !strings.HasPrefix(r.Detail, found) || !strings.Contains(r.Detail, "a TURN server would help") {
		t.Errorf("the record says %+v", r)
	}
	if said := string(s.tincan(t, "quality", id)); !strings.Contains(said, "ended: media-timeout: "+found) {
		t.Errorf("tincan quality says\n%s", said)
	}
}

// TestBrowserTrickles: a browser names no address in its descriptions, and tells them
// one by one when the call stands; the server is behind a NAT that lets in its
// signalling alone, so that there is no way but by checks of its own to what it is told.
func TestBrowserTrickles(t *testing.T) {
	h := newHomes(t, 1)
	own := h.home[0]
	s := startServerAt(t, place{ip: own.inside, external: own.outside, netns: own.lan}, people(ada, bob))
	own.forwards(t, s.wss)
	a := browser(t, s, ada, func(a *peer.Account) {
		a.IP, a.Netns, a.Trickles, a.Server = publicIP, h.public, true, fmt.Sprintf("%s:%d", own.outside, s.wss)
	})
	b := baresip(t, s, bob, func(b *peer.Account) { b.IP, b.Netns = own.inside, own.lan })
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
	connect(t, b, a, ada)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
}

// TestICEByPortsThatSTUNTells: both are behind NATs that give each port another one,
// the same for all whom it speaks to, and let in only what answers: they meet, without
// a relay, if both have asked how they look from outside.
func TestICEByPortsThatSTUNTells(t *testing.T) {
	h := newHomes(t, 2)
	stun := peer.StartTurn(t, publicIP, h.public)
	own, far := h.home[0], h.home[1]
	own.ports, far.ports = "to :20000-24999", "to :25000-29999"
	far.rules(t, "")
	s := startServerAt(t, place{
		ip: own.inside, external: own.outside, netns: own.lan, more: fmt.Sprintf("[ice]\nstun = %q\n", stun.Address),
	}, eachByICE(bob)+people(ada))
	own.forwards(t, s.sip)
	a := baresip(t, s, ada, func(a *peer.Account) { a.IP, a.Netns = own.inside, own.lan })
	b := baresip(t, s, bob, func(b *peer.Account) {
		b.IP, b.Netns, b.Server, b.ICE, b.STUN = far.inside, far.lan, fmt.Sprintf("%s:%d", own.outside, s.sip), true, stun.Address
	})
	connect(t, b, a, ada)
	s.Await(t, wayTo(bob))
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}
