package e2e

import (
	"net/netip"
	"regexp"
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
