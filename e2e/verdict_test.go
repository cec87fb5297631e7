package e2e

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// udpChecksum is where UDP's stands in an IPv4 packet without options; zero: it is
// left out.
const udpChecksum = 26

// fromAda makes weather of what happens to the sound that Ada's phone sends: f gets
// each IPv4 packet with its RTP, may change them, and loses them by true.
func (c *farCall) fromAda(f func(packet, rtp []byte) bool) {
	c.link.Weather(peer.Weather{}, peer.Weather{Drop: func(packet []byte) bool {
		d, ok := peer.ParseUDP(packet)
		if !ok || !c.sound(packet) || len(d.Data) < 12 {
			return false
		}
		packet[udpChecksum], packet[udpChecksum+1] = 0, 0
		return f(packet, d.Data)
	}})
}

// What comes of Ada, and is not what was agreed, is named in words: each by a network
// that makes it so.
func TestQualityExplainsWhatComesInstead(t *testing.T) {
	const away = "198.51.100.77"
	for _, c := range []struct {
		name  string
		heard bool // she is, before
		spoil func(*farCall) func(packet, rtp []byte) bool
		says  string
	}{
		{"payload-type", false, func(*farCall) func(packet, rtp []byte) bool {
			return func(_, rtp []byte) bool { rtp[1] = rtp[1]&0x80 | 97; return false }
		}, "audio from 101 is of payload type 97, which was not agreed"},
		{"elsewhere", true, func(c *farCall) func(packet, rtp []byte) bool {
			return func(packet, rtp []byte) bool {
				d, _ := peer.ParseUDP(packet)
				d.From = netip.AddrPortFrom(netip.MustParseAddr(away), d.From.Port())
				rtp[8]++ // or it would be known by its SSRC, and followed
				c.link.Inject(0, d.Packet())
				return true
			}
		}, "audio for this call comes from " + away + ":"},
		{"muted", true, func(*farCall) func(packet, rtp []byte) bool {
			return func([]byte, []byte) bool { return true }
		}, "audio from 101 stopped, but it still reports: it is muted in a way that sends nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			call := newFarCall(t, place{})
			if !c.heard {
				call.fromAda(c.spoil(call))
			}
			call.connect(t)
			if c.heard {
				hearEachOther(t, call.a, adaTone, call.b, bobTone)
				call.fromAda(c.spoil(call))
			}
			call.awaitFared(t, call.id, func(f *fared) bool { return f.says(c.says, false) })
			call.link.Weather(peer.Weather{}, peer.Weather{})
			call.b.Ear().Hears(t, adaTone)
			call.awaitFared(t, call.id, func(f *fared) bool { return f.says(c.says, true) })
			call.ends(t, c.says)
		})
	}
}

// theirKey is the beginning of a key in a description (RFC 4568 6.1).
var theirKey = regexp.MustCompile(`(inline:)[A-Za-z0-9+/]{4}`)

// A device between the phone and the server changes the key: what comes cannot be
// decrypted, and that is said.
func TestQualityExplainsAnotherKey(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	wire := peer.StartWire(t, s.address())
	wire.Alter(func(b []byte) []byte { return theirKey.ReplaceAll(b, []byte("${1}AAAA")) })
	a := baresip(t, s, ada, by(s, "tcp"), encrypted("srtp"), func(a *peer.Account) { a.Server = wire.Address })
	b := baresip(t, s, bob)
	connect(t, a, b, bob)
	s.awaitFared(t, s.onlyCall(t), func(f *fared) bool {
		return f.says("audio from 101 cannot be decrypted: its keys are not those that it sent", false) && f.Parties[0].Discarded.Forged > 0
	})
	hangUp(t, a, b)
}

// Nothing that the server sends by UDP gets to a browser, and the relay it asks for is
// not there: the call's end says both.
func TestICESaysWhatItHeardAndMissed(t *testing.T) {
	t.Parallel()
	here, far, link := newFarPlace(t)
	const nobody = "198.51.100.99:3478"
	s := startServerAt(t, place{
		ip: publicIP, netns: here, more: "[ice]\nturn = [\"turn:" + nobody + "?transport=udp\"]\nuser = \"u\"\npassword = \"p\"\n",
	}, people(ada, bob))
	link.Weather(peer.Weather{Drop: func(packet []byte) bool { _, _, udp := peer.UDPPorts(packet); return udp }}, peer.Weather{})
	a := browser(t, s, ada, func(a *peer.Account) { a.IP, a.Netns = farIP, far })
	b := baresip(t, s, bob, func(b *peer.Account) { b.IP, b.Netns = publicIP, here })
	connect(t, a, b, bob)
	id := s.onlyCall(t)
	f := s.awaitFared(t, id, func(f *fared) bool { return !f.Stands })
	if !regexp.MustCompile(`no way to the phone was found in 30 s: its checks arrive from ` + farIP + `:\d+, but it answers none of ours there; no TURN server gave a relay \(turn:` + nobody).MatchString(f.Ended) {
		t.Errorf("ended: %s", f.Ended)
	}
	a.AwaitClosed(t)
}

// A browser whose managers let it send no UDP names no address that the server could
// try: the call's end says so, and what would help.
func TestICESaysThatNothingWasNamed(t *testing.T) {
	t.Parallel()
	here, far, _ := newFarPlace(t)
	s := startServerAt(t, place{ip: publicIP, netns: here}, people(ada, bob))
	a := browser(t, s, ada, func(a *peer.Account) { a.IP, a.Netns, a.NoUDP = farIP, far, true })
	b := baresip(t, s, bob, func(b *peer.Account) { b.IP, b.Netns = publicIP, here })
	connect(t, a, b, bob)
	id := s.onlyCall(t)
	f := s.awaitFared(t, id, func(f *fared) bool { return !f.Stands })
	const said = "no way to the phone was found in 30 s: it named no address that can be tried, and none of its checks arrived here; " +
		"a firewall may drop UDP on the way: a TURN server would help ([ice] turn)"
	if !strings.Contains(f.Ended, said) {
		t.Errorf("ended: %s", f.Ended)
	}
	a.AwaitClosed(t)
}

// The network between a browser and the server stops carrying its media in the middle
// of the call: that the way is gone is said. It goes on where it begins anew.
func TestICESaysThatTheWayIsGone(t *testing.T) {
	t.Parallel()
	here, far, link := newFarPlace(t)
	s := startServerAt(t, place{ip: publicIP, netns: here}, people(ada, bob))
	a := browser(t, s, ada, func(a *peer.Account) { a.IP, a.Netns = farIP, far })
	b := baresip(t, s, bob, func(b *peer.Account) { b.IP, b.Netns = publicIP, here })
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	noUDP := peer.Weather{Drop: func(packet []byte) bool { _, _, udp := peer.UDPPorts(packet); return udp }}
	link.Weather(noUDP, noUDP)
	s.AwaitFor(t, verdictPatience, "ICE: the way to the phone is gone: it has not answered for 30 s; its network changed, or it is off")
	link.Weather(peer.Weather{}, peer.Weather{})
	a.BeginAnew(t)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
}

// withMetrics adds to a sender's report with a block the sender's account of what it
// hears (RFC 3611 4.7): a tenth lost, and a MOS of 2.5.
func withMetrics(report []byte) []byte {
	sender, heard := report[4:8], report[28:32]
	b := append([]byte{0x80, 207, 0, 10}, sender...)
	b = append(append(b, 7, 0, 0, 8), heard...)
	b = append(b, 26, 13, 40, 5) // shares of 256: lost, too late, lost in bursts, in gaps
	b = append(b, 0, 120, 1, 0)  // ms that they last
	b = append(b, 0, 60, 0, 80)  // ms there and back, within the phone
	b = append(b, 127, 127, 127, 16, 55, 127, 25, 24)
	return append(append([]byte(nil), report...), append(b, 0, 0, 0, 40, 0, 80, 1, 0)...)
}

// What a phone says itself of what it hears is kept and shown. No phone of the tests
// sends such reports, so they are added to Ada's on the way.
func TestQualityTellsWhatThePhoneReports(t *testing.T) {
	t.Parallel()
	call := newFarCall(t, place{})
	call.link.Weather(peer.Weather{}, peer.Weather{Drop: func(packet []byte) bool {
		d, ok := peer.ParseUDP(packet)
		if !ok || len(d.Data) < 52 || d.Data[0] != 0x81 || d.Data[1] != 200 {
			return false
		}
		d.Data = withMetrics(d.Data)
		call.link.Inject(0, d.Packet())
		return true
	}})
	call.connect(t)
	f := call.awaitFared(t, call.id, func(f *fared) bool { return f.Parties[0].Reported != nil })
	if r := f.Parties[0].Reported; r.MOS != 2.5 || r.R != 55 || r.Loss < 0.1 || r.Loss > 0.11 {
		t.Errorf("%+v", r)
	}
	if said := string(call.tincan(t, "quality", call.id)); !strings.Contains(said, "it says of what it hears: lost 10.2 %, too late 5.1 %, MOS 2.5") {
		t.Errorf("tincan quality says\n%s", said)
	}
	hangUp(t, call.a, call.b)
}
