package e2e

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// spy sits on the cable between Ada's phone and the server: it reads what she sends
// to the ports for media, and says there what it likes, in her name or in another's.
type spy struct {
	link *peer.Link
	sent int // by attack

	mu    sync.Mutex // guards what follows
	sound []peer.Datagram
	asks  []peer.Datagram // STUN
}

// spySees bounds what it keeps.
const spySees = 200

// look keeps a copy of what passes, and lets it pass.
func (p *spy) look(s *server) func([]byte) bool {
	return func(packet []byte) bool {
		d, ok := peer.ParseUDP(packet)
		if !ok || len(d.Data) < 20 || int(d.To.Port()) < s.rtp.first || int(d.To.Port()) > s.rtp.last {
			return false
		}
		d.Data = append([]byte(nil), d.Data...)
		p.mu.Lock()
		defer p.mu.Unlock()
		switch b := d.Data; {
		case b[0]>>6 == 2 && (b[1]&0x7f < 64 || b[1]&0x7f > 95):
			p.sound = kept(p.sound, d)
		case b[0] == 0 && b[1] == 1:
			p.asks = kept(p.asks, d)
		}
		return false
	}
}

func kept(all []peer.Datagram, d peer.Datagram) []peer.Datagram {
	if len(all) == spySees {
		return all
	}
	return append(all, d)
}

// heard waits until it has heard enough, and gives that.
func (p *spy) heard(t *testing.T, asks bool) (sound, stun []peer.Datagram) {
	t.Helper()
	deadline := time.Now().Add(peer.Patience)
	for {
		p.mu.Lock()
		sound, stun = append([]peer.Datagram(nil), p.sound...), append([]peer.Datagram(nil), p.asks...)
		p.mu.Unlock()
		if len(sound) >= spySees/2 && (len(stun) > 0 || !asks) {
			return sound, stun
		}
		if time.Now().After(deadline) {
			t.Fatalf("the spy has heard %d packets and %d of STUN", len(sound), len(stun))
		}
		time.Sleep(readyPoll)
	}
}

// elsewhere is a host that is nobody's.
var elsewhere = netip.MustParseAddrPort("198.51.100.66:6666")

// attack sends all that a stranger can think of until it is told to stop: each round
// in the name of the phone, then from elsewhere, then from elsewhere on her machine.
func (p *spy) attack(sound, stun []peer.Datagram, stop <-chan struct{}) (rounds int) {
	for {
		for _, from := range []netip.AddrPort{sound[0].From, elsewhere, netip.AddrPortFrom(sound[0].From.Addr(), 6666)} {
			for i := range sound {
				d := sound[i]
				d.From = from
				p.send(d)
				for _, forge := range forgeries {
					p.send(peer.Datagram{From: from, To: d.To, Data: forge(d.Data)})
				}
			}
			for i := range stun {
				p.send(peer.Datagram{From: from, To: stun[i].To, Data: withWrongPassword(stun[i].Data)})
				p.send(peer.Datagram{From: from, To: stun[i].To, Data: toNobody(stun[i].Data)})
			}
		}
		rounds++
		select {
		case <-stop:
			return rounds
		default:
		}
	}
}

// send sends one, some four thousand a second: what a device of the kernel's takes
// beside a call.
func (p *spy) send(d peer.Datagram) {
	p.link.Inject(0, d.Packet())
	if p.sent++; p.sent%4 == 0 {
		time.Sleep(time.Millisecond)
	}
}

// forgeries are made of a packet of the phone's.
var forgeries = []func([]byte) []byte{
	changed(12, 30), // what it says
	changed(2, 4),   // its place
	changed(8, 12),  // whose it is
	func(b []byte) []byte { // a goodbye in the phone's name (RFC 3550 6.6)
		return append([]byte{0x81, 203, 0, 1}, b[8:12]...)
	},
	func([]byte) []byte { return clientHello(0, 60) },
	func([]byte) []byte { return clientHello(rand.IntN(50), 10) },                            // a fragment
	func([]byte) []byte { return clientHello(1<<16, 200) },                                   // of something huge
	func([]byte) []byte { return []byte{21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 40} }, // an alert
}

// changed makes another packet by other bytes from one place to the next.
func changed(from, to int) func([]byte) []byte {
	return func(b []byte) []byte {
		b = append([]byte(nil), b...)
		for i := from; i < min(to, len(b)); i++ {
			b[i] = byte(rand.Uint32())
		}
		return b
	}
}

// clientHello begins a handshake (RFC 6347 4.2.2), or is a piece of n bytes of one.
func clientHello(offset, n int) []byte {
	const record, handshake, whole = 13, 12, 60
	b := make([]byte, record+handshake+n)
	b[0], b[1], b[2] = 22, 254, 253
	binary.BigEndian.PutUint64(b[3:], rand.Uint64N(1<<40)) // epoch 0
	binary.BigEndian.PutUint16(b[11:], uint16(handshake+n))
	m := b[record:]
	m[0] = 1
	length := max(whole, offset+n)
	m[1], m[2], m[3] = byte(length>>16), byte(length>>8), byte(length)
	m[6], m[7], m[8] = byte(offset>>16), byte(offset>>8), byte(offset)
	m[10], m[11] = byte(n>>8), byte(n)
	m[12], m[13] = 254, 253 // at least ten bytes follow
	for i := 14; i < 14+32 && i < len(m); i++ {
		m[i] = byte(rand.Uint32())
	}
	return b
}

// withWrongPassword is a request with the user name of the right one and a proof that
// is none (RFC 8489 9.1).
func withWrongPassword(b []byte) []byte {
	b = append([]byte(nil), b...)
	const integrity, fingerprint = "\x00\x08\x00\x14", "\x80\x28\x00\x04"
	if at := strings.Index(string(b), integrity); at > 0 && at+24 <= len(b) {
		b[at+4]++
	}
	if at := strings.Index(string(b), fingerprint); at > 0 { // which would be wrong now
		b = b[:at]
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20))
	}
	return b
}

// toNobody is one that names a session there is not.
func toNobody(b []byte) []byte {
	b = append([]byte(nil), b...)
	if at := strings.IndexByte(string(b), ':'); at > 0 {
		b[at-1] ^= 1
	}
	return b
}

// resident is how much memory the server has, in MB.
func (s *server) resident(t *testing.T) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return float64(pages*os.Getpagesize()) / 1e6
}

// A call of an encrypted phone, whose packets somebody records, plays again, changes
// and forges, in the phone's name and from elsewhere, with floods of DTLS and STUN
// among them: it stands, both are heard all the time and at the end, what came is
// counted, and takes no memory.
func TestStrangersAtAnEncryptedCall(t *testing.T) {
	for _, how := range []string{"srtp", "dtls", "browser"} {
		t.Run(how, func(t *testing.T) {
			here, far, link := newFarPlace(t)
			s := startServerAt(t, place{ip: publicIP, netns: here}, people(ada, bob))
			p := &spy{link: link}
			link.Weather(peer.Weather{}, peer.Weather{Drop: p.look(s)})
			there := func(a *peer.Account) { a.IP, a.Netns = farIP, far }
			var a peer.Phone
			if how == "browser" {
				a = browser(t, s, ada, there)
			} else {
				a = baresip(t, s, ada, there, by(s, "tls"), encrypted(how))
			}
			b := baresip(t, s, bob, func(a *peer.Account) { a.IP, a.Netns = publicIP, here })
			connect(t, a, b, bob)
			hearEachOther(t, a, adaTone, b, bobTone)
			p.disturbs(t, s, how == "browser", func() { hearEachOther(t, a, adaTone, b, bobTone) })
			hearEachOther(t, a, adaTone, b, bobTone)
			hangUp(t, a, b)
			if r := s.onlyRecord(t); r.Cause != "normal" {
				t.Errorf("the call ended with %q", r.Cause)
			}
		})
	}
}

// while attacks while something is done, however that ends, and tells how many rounds.
func (p *spy) while(sound, stun []peer.Datagram, what func()) (rounds uint64) {
	stop := make(chan struct{})
	var attack sync.WaitGroup
	attack.Go(func() { rounds = uint64(p.attack(sound, stun, stop)) })
	defer attack.Wait()
	defer close(stop)
	what()
	return
}

// disturbs attacks while something is done, three times, and looks what the server
// says of it.
func (p *spy) disturbs(t *testing.T, s *server, asks bool, meanwhile func()) {
	t.Helper()
	id := s.onlyCall(t)
	sound, stun := p.heard(t, asks)
	before := s.resident(t)
	n := p.while(sound, stun, func() {
		for range 3 {
			meanwhile()
		}
	})
	grown := s.resident(t) - before
	t.Logf("%d rounds of %d packets; %.1f MB more memory", n, 3*len(sound)*(1+len(forgeries))+6*len(stun), grown)
	if grown > memoryMost {
		t.Errorf("%.0f MB more memory", grown)
	}
	f := s.awaitFared(t, id, func(f *fared) bool { return f.Parties[0].Discarded.Replayed > 0 })
	d := f.Parties[0].Discarded
	t.Logf("%+v", d)
	if least := n * uint64(len(sound)); d.Replayed < least/2 || d.Forged < least || d.Forged+d.Strangers+d.Unknown < 4*least {
		t.Errorf("of %d rounds of %d packets are counted: %+v", n, len(sound), d)
	}
}
