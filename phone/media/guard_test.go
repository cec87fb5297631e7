package media

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/media/quality"
	"tincan/phone/media/rtp"
	"tincan/phone/media/secure"
	"tincan/phone/media/udp"
)

// encrypt does what a phone with SRTP does before it sends.
func (p *phone) encrypt(b []byte) []byte {
	protect := p.key.Protect
	if rtp.Classify(b) == rtp.Control {
		protect = p.key.ProtectControl
	}
	out, err := protect(nil, b)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (p *phone) decrypt(b []byte) []byte {
	unprotect := p.key.Unprotect
	if rtp.Classify(b) == rtp.Control {
		unprotect = p.key.UnprotectControl
	}
	out, err := unprotect(bytes.Clone(b))
	if err != nil {
		p.t.Fatalf("what the phone is sent: %v", err)
	}
	return out
}

func reportOf(ssrc uint32) []byte {
	r := rtp.Report{SSRC: ssrc, CNAME: "a", Sent: rtp.Sent{Packets: 1}}
	return r.Append(nil)
}

// agreeOn gives a phone and its flow keys.
func (p *phone) agreeOn(s secure.Suite) secure.Keys {
	p.t.Helper()
	ours := secure.Keys{Suite: s, Local: secure.NewKey(s), Remote: secure.NewKey(s)}
	var err error
	if p.key, err = secure.New(secure.Keys{Suite: s, Local: ours.Remote, Remote: ours.Local}); err != nil {
		p.t.Fatal(err)
	}
	r := p.remote(p.format)
	r.Keys = &ours
	p.flow.Configure(r)
	return ours
}

// TestSecuredRelay: each party has keys of its own, or none; what they say and
// report passes, and none of it in the clear.
func TestSecuredRelay(t *testing.T) {
	for _, bs := range []secure.Suite{secure.None, secure.AES128CM80} {
		synctest.Test(t, func(t *testing.T) {
			e := newTestEngine(t, Config{})
			a, b := newPhone(t, e, "10.0.0.1", pcmu), newPhone(t, e, "10.0.0.2", pcmu)
			a.agreeOn(secure.AES128GCM)
			if bs != secure.None {
				b.agreeOn(bs)
			}
			br := Join(a.flow, b.flow)
			defer br.Close()
			if br.Way() != WayRelay {
				t.Errorf("way %v, want relay", br.Way())
			}
			to, from := listener{format: pcmu}, listener{format: pcmu}
			for range 100 {
				a.speak()
				b.speak()
				time.Sleep(20 * time.Millisecond)
				to.hear(t, b.heard())
				from.hear(t, a.heard())
			}
			if len(to.pcm) != 16000 || len(from.pcm) != 16000 {
				t.Errorf("%d and %d samples, want 16000", len(to.pcm), len(from.pcm))
			}
			report := reportOf(a.ssrc)
			a.send(true, netip.AddrPortFrom(a.addr.Addr(), 4001), report)
			got := b.control()
			if len(got) != 1 {
				t.Fatalf("%d reports", len(got))
			}
			if b.key != nil {
				got[0].data = b.decrypt(got[0].data)
			}
			if c, err := rtp.ParseControl(got[0].data); err != nil || binary.BigEndian.Uint32(c[4:]) != a.ssrc {
				t.Errorf("report %x, %v", got[0].data, err)
			}
			if s := a.flow.Stats(); s.Suite != "AEAD_AES_128_GCM" || s.Discarded != (quality.Discarded{}) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestSecuredStream: through hold, music and a digit of ours the phone hears one
// stream, and can decrypt all of it.
func TestSecuredStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "10.0.0.1", pcmu, events), newPhone(t, e, "10.0.0.2", pcma, events)
		b.agreeOn(secure.AES128CM32)
		b.flow.Configure(func() Remote {
			r := b.remote(pcma, events)
			k := b.flow.guard.session.Keys()
			r.Keys = &k
			return r
		}())
		br := Join(a.flow, b.flow)
		l := listener{format: pcma}
		talk := func() {
			for range 20 {
				a.speak()
				time.Sleep(20 * time.Millisecond)
				l.hear(t, b.heard())
			}
		}
		talk()
		br.Close()
		time.Sleep(time.Second)
		br = Join(a.flow, b.flow)
		defer br.Close()
		talk()
		if len(l.pcm) < 6000 {
			t.Errorf("%d samples", len(l.pcm))
		}
		b.flow.SendDigit(Digit{Rune: '5', Duration: 100 * time.Millisecond})
		time.Sleep(time.Second)
		if n := len(b.heard()); n < 5 {
			t.Errorf("%d packets of a digit", n)
		}
	})
}

// TestForgedAndReplayed: nothing that the party did not send now is heard, told
// of, or followed.
func TestForgedAndReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "10.0.0.1", pcmu), newPhone(t, e, "10.0.0.2", pcmu)
		a.agreeOn(secure.AES128CM80)
		br := Join(a.flow, b.flow)
		defer br.Close()
		for range 5 {
			a.speak()
		}
		b.heard()
		last := bytes.Clone(a.socket.data)
		key := a.key
		a.key = nil // from now on the wire is the test's
		elsewhere := netip.MustParseAddrPort("6.6.6.6:6666")
		for _, from := range []netip.AddrPort{a.addr, elsewhere} {
			a.send(false, from, bytes.Clone(last))
			a.send(false, from, a.packet(rtp.Header{PT: 0}, make([]byte, 160)))
			forged := bytes.Clone(last)
			binary.BigEndian.PutUint16(forged[2:], a.seq+1)
			a.send(false, from, forged)
			a.send(true, from, reportOf(a.ssrc))
		}
		if n := len(b.heard()); n != 0 {
			t.Errorf("%d packets passed", n)
		}
		s := a.flow.Stats()
		if s.Discarded.Replayed != 2 || s.Discarded.Forged != 6 || s.Remote != a.addr {
			t.Errorf("discarded %+v, the party is taken to be at %v", s.Discarded, s.Remote)
		}
		a.key = key
		a.seq += 10
		a.speak()
		if n := len(b.heard()); n != 1 {
			t.Errorf("%d packets after it, want 1", n)
		}
	})
}

// TestPartyThatMovesIsFollowed: at once, since it has the key; but a packet that was
// overtaken on its way does not lead back.
func TestPartyThatMovesIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "10.0.0.1", pcmu), newPhone(t, e, "10.0.0.2", pcmu)
		a.agreeOn(secure.AES256GCM)
		br := Join(a.flow, b.flow)
		defer br.Close()
		a.speak()
		overtaken := a.encrypt(a.packet(rtp.Header{PT: 0, Time: a.time}, make([]byte, 160)))
		old := a.addr
		a.addr = netip.MustParseAddrPort("203.0.113.9:1234")
		a.speak()
		key := a.key
		a.key = nil
		a.send(false, old, overtaken)
		a.key = key
		if s := a.flow.Stats(); s.Remote != a.addr || s.In.Packets != 3 {
			t.Errorf("the party is taken to be at %v, %d packets of it", s.Remote, s.In.Packets)
		}
		b.speak()
		if out := a.heard(); len(out) != 1 || out[0].sent.to != a.addr {
			t.Errorf("sound goes to %v", out)
		}
	})
}

// TestSecuredRestart: another process goes on with the keys and the place, after
// calls of any length.
func TestSecuredRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "10.0.0.1", pcmu), newPhone(t, e, "10.0.0.2", pcmu)
		keys := a.agreeOn(secure.AES128GCM)
		br := Join(a.flow, b.flow)
		var kept RTPState
		for i := range 70000 { // past a round of the sequence number
			a.sound(make([]byte, 20))
			b.sound(make([]byte, 20))
			if i == 69000 {
				kept = a.flow.State()
			}
			if i%1000 == 0 {
				a.heard()
				b.socket.out = nil
			}
		}
		a.heard()
		if kept.Secure == nil || kept.Secure.In>>16 == 0 {
			t.Fatalf("place %+v", kept.Secure)
		}
		br.Close()
		a.flow.Close()
		flow, err := e.Open(Audio, netip.IPv4Unspecified(), kept.Port, Events{})
		if err != nil {
			t.Fatal(err)
		}
		r := a.remote(pcmu)
		r.Keys = &keys
		flow.Configure(r)
		flow.Restore(kept)
		a.flow, a.socket = flow, flow.sock.(*fakeSocket)
		br = Join(a.flow, b.flow)
		defer br.Close()
		a.speak()
		b.speak()
		if s := a.flow.Stats(); s.In.Packets != 1 || s.Discarded != (quality.Discarded{}) {
			t.Errorf("%+v", s)
		}
		if n := len(a.heard()); n != 1 {
			t.Errorf("it hears %d packets", n)
		}
	})
}

// TestWornIsTold: State is to be kept again every half round, and not more often.
func TestWornIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "10.0.0.1", pcmu), newPhone(t, e, "10.0.0.2", pcmu)
		told := 0
		a.flow.events.Worn = func() { told++ }
		a.agreeOn(secure.AES128GCM)
		br := Join(a.flow, b.flow)
		defer br.Close()
		for range 1 << 16 {
			a.sound(make([]byte, 20))
			time.Sleep(20 * time.Millisecond)
		}
		if told != 3 { // the beginning, and two halves
			t.Errorf("told %d times", told)
		}
	})
}

func TestSecuredRelayAllocatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "10.0.0.1", pcmu), newPhone(t, e, "10.0.0.2", pcmu)
		a.agreeOn(secure.AES128CM80)
		b.agreeOn(secure.AES128GCM)
		br := Join(a.flow, b.flow)
		defer br.Close()
		carry := relayOnce(t, a, b)
		if n := testing.AllocsPerRun(500, carry); n > 0 && !underRace {
			t.Errorf("%v allocations a packet", n)
		}
	})
}

// relayOnce gives a function that carries one encrypted packet.
func relayOnce(t testing.TB, a, b *phone) func() {
	t.Helper()
	b.flow.sock = nullSocket{}
	payload, buf := make([]byte, 160), make([]byte, 2048)
	packet := a.packet(rtp.Header{PT: 0}, payload)
	sealed := make([]byte, 0, 256)
	seq := uint16(rand.Uint32())
	return func() {
		seq++
		binary.BigEndian.PutUint16(packet[2:], seq)
		out, err := a.key.Protect(sealed, packet)
		if err != nil {
			t.Fatal(err)
		}
		a.socket.from, a.socket.data = a.addr, out
		a.flow.Readable(false, buf)
	}
}

// nullSocket takes all and keeps nothing.
type nullSocket struct{}

func (nullSocket) Port() uint16                                  { return 0 }
func (nullSocket) Recv(bool, []byte) (int, netip.AddrPort, bool) { return 0, netip.AddrPort{}, false }
func (nullSocket) Send(bool, []byte, netip.AddrPort) error       { return nil }
func (nullSocket) Close() error                                  { return nil }

// Nothing gets through to the other party that was not made with the key, and
// nothing is told; a datagram is counted once at most.
func FuzzSecuredReceive(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false, uint8(1))
	f.Add(reportOf(1), true, uint8(2))
	f.Add([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, false, uint8(0))
	identity, err := secure.NewIdentity(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, control bool, suite uint8) {
		e, err := NewEngine(Config{First: 10000, Last: 10100, Network: fakeNetwork{}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = e.Close() }()
		told := func(Digit) { t.Error("a key was told of") }
		var flows [2]*RTP
		for i := range flows {
			if flows[i], err = e.Open(Audio, loopback, 0, Events{Digit: told}); err != nil {
				t.Fatal(err)
			}
			r := Remote{RTP: stranger, Direction: SendRecv, Formats: append(testFormats, events)}
			if s := secure.Suite(suite % 7); i == 0 && s != secure.None {
				r.Keys = &secure.Keys{Suite: s, Local: secure.NewKey(s), Remote: secure.NewKey(s)}
			} else if i == 0 {
				r.Handshake = &secure.Terms{Identity: identity, Prints: []secure.Fingerprint{identity.Fingerprint()}}
			}
			flows[i].Configure(r)
		}
		bridge := Join(flows[0], flows[1])
		defer bridge.Close()
		s := flows[0].sock.(*fakeSocket)
		s.from, s.data = stranger, b
		flows[0].Readable(control, make([]byte, udp.MaxDatagram))
		kind := rtp.Classify(b)
		if out := flows[1].sock.(*fakeSocket).out; len(out) != 0 && kind != rtp.STUN && kind != rtp.ZRTP {
			t.Fatalf("%x was handed on", b)
		}
		d := flows[0].Stats().Discarded
		if n := d.Malformed + d.Unknown + d.Strangers + d.Forged + d.Replayed; n > 1 {
			t.Fatalf("one datagram is counted %d times", n)
		}
	})
}

// BenchmarkRelaySecured carries a packet between parties with keys of their own,
// without sockets. What the party does to it is in the time too: half of what the
// flows do.
func BenchmarkRelaySecured(b *testing.B) {
	for _, s := range []secure.Suite{secure.AES128GCM, secure.AES128CM80} {
		b.Run(s.String(), func(b *testing.B) {
			e, err := NewEngine(Config{First: 10000, Last: 10100, Network: fakeNetwork{}})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = e.Close() }()
			x, party := securedFlow(b, e, s)
			y, _ := securedFlow(b, e, s)
			Join(x, y)
			in, buf, sealed := x.sock.(*idleSocket), make([]byte, 2000), make([]byte, 0, 256)
			packet := make([]byte, 172)
			b.ReportAllocs()
			for seq := uint16(0); b.Loop(); seq++ {
				rtp.Put(packet, rtp.Header{Seq: seq, Time: uint32(seq) * 160, SSRC: 9})
				if in.data, err = party.Protect(sealed, packet); err != nil {
					b.Fatal(err)
				}
				x.Readable(false, buf)
			}
		})
	}
}

// securedFlow opens a flow, and gives its party's end of the session.
func securedFlow(b *testing.B, e *Engine, s secure.Suite) (*RTP, *secure.Session) {
	b.Helper()
	r, err := e.Open(Audio, loopback, 0, Events{})
	if err != nil {
		b.Fatal(err)
	}
	ours := secure.Keys{Suite: s, Local: secure.NewKey(s), Remote: secure.NewKey(s)}
	at := netip.AddrPortFrom(loopback, 9)
	r.sock = &idleSocket{from: at}
	r.Configure(Remote{RTP: at, Direction: SendRecv, Formats: testFormats, Keys: &ours})
	party, err := secure.New(secure.Keys{Suite: s, Local: ours.Remote, Remote: ours.Local})
	if err != nil {
		b.Fatal(err)
	}
	return r, party
}
