package iax2

import (
	"context"
	"crypto/rsa"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/directory"
	"tincan/phone/directory/key"
	"tincan/phone/iax2/frame"
	"tincan/phone/iax2/proof"
	"tincan/phone/media/udp"
)

// peer is a program that says frame by frame what the test wants.
type peer struct {
	t      *testing.T
	conn   *conn
	to     netip.AddrPort
	number uint16 // its call number
	theirs uint16
	oseq   uint8
	iseq   uint8
}

func newPeer(t *testing.T, net *internet, at string) *peer {
	return &peer{t: t, conn: net.listen(netip.MustParseAddrPort(at)), to: netip.MustParseAddrPort(atA), number: 77}
}

// say sends a command in order.
func (p *peer) say(c frame.Command, e frame.Elements) {
	f := frame.Full{
		Source: p.number, Dest: p.theirs, OSeq: p.oseq, ISeq: p.iseq, Time: uint32(p.oseq) + 1,
		Type: frame.IAX, Subclass: frame.Subclass(c), Payload: e.Append(nil),
	}
	if f.Sequenced() {
		p.oseq++
	}
	p.conn.net.send(p.conn.at, p.to, frame.AppendFull(nil, f))
}

// hear gives what has come to it by now.
func (p *peer) hear() (all []frame.Full) {
	p.t.Helper()
	time.Sleep(50 * time.Millisecond)
	synctest.Wait()
	for {
		list := make([]udp.Datagram, 1)
		select {
		case list[0] = <-p.conn.in:
		default:
			return all
		}
		if frame.KindOf(list[0].Data) != frame.KindFull {
			continue
		}
		f, err := frame.ParseFull(list[0].Data)
		if err != nil {
			p.t.Fatal(err)
		}
		if f.Is(frame.AuthReq) || f.Is(frame.RegAuth) {
			p.theirs = f.Source // what an earlier call still says is none of this one
		}
		if f.Sequenced() && f.Source == p.theirs {
			p.iseq = f.OSeq + 1
		}
		all = append(all, f)
	}
}

// one is the one answer of a kind.
func (p *peer) one(c frame.Command) frame.Elements {
	p.t.Helper()
	for _, f := range p.hear() {
		if f.Is(c) {
			e, err := frame.ParseElements(f.Payload)
			if err != nil {
				p.t.Fatal(err)
			}
			return e
		}
	}
	p.t.Fatalf("no %v came", c)
	return frame.Elements{}
}

// token asks for a call token with a frame, which begins again.
func (p *peer) token(c frame.Command, e frame.Elements) {
	p.t.Helper()
	e.CallToken = frame.Some([]byte(nil))
	p.say(c, e)
	got := p.one(frame.CallToken)
	p.oseq, p.iseq, p.theirs = 0, 0, 0
	e.CallToken = frame.Some(slices.Clone(got.CallToken.Value))
	p.say(c, e)
}

func ada(password string) directory.ExtensionForm {
	return directory.ExtensionForm{Number: "101", Name: "Ada", Secret: password, IAX2: true}
}

// alone is one house with an extension.
func alone(t *testing.T, net *internet, change ...func(*options)) *house {
	o := options{extensions: []directory.ExtensionForm{ada("a long secret"), {Number: "102", Secret: "of SIP alone"}}, routes: map[string]string{"200": "tone:"}}
	for _, f := range change {
		f(&o)
	}
	h := open(t, net, atA, o)
	t.Cleanup(h.close)
	return h
}

func TestRegistration(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		h := alone(t, net)
		p := newPeer(t, net, "192.0.2.50:4569")
		p.token(frame.RegReq, frame.Elements{Username: "101", Refresh: frame.Some(uint16(60))})
		asked := p.one(frame.RegAuth)
		p.say(frame.RegReq, frame.Elements{Username: "101", Refresh: frame.Some(uint16(60)), MD5Result: proof.Answer(asked.Challenge, "a long secret")})
		got := p.one(frame.RegAck)
		if got.Refresh.Value != 60 || got.ApparentAddress != p.conn.at || got.CallingNumber != "101" {
			t.Errorf("REGACK %+v", got)
		}
		p.say(frame.Ack, frame.Elements{})
		if b := h.bindings.For("101"); len(b) != 1 || b[0].Contact != "iax2:101@192.0.2.50:4569" {
			t.Fatalf("bindings %+v", b)
		}
		time.Sleep(2 * time.Second)
		if n := h.iax2.sessions.count(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		p.number++ // and it goes
		p.oseq, p.iseq, p.theirs = 0, 0, 0
		p.token(frame.RegRel, frame.Elements{Username: "101", Cause: "bye"})
		asked = p.one(frame.RegAuth)
		p.say(frame.RegRel, frame.Elements{Username: "101", MD5Result: proof.Answer(asked.Challenge, "a long secret")})
		p.one(frame.RegAck)
		if b := h.bindings.For("101"); len(b) != 0 {
			t.Errorf("bindings %+v", b)
		}
	})
}

// TestWhoAreYouRevealsNothing: a user who is there, one who is not, one without IAX2
// and a wrong password have the same answers.
func TestWhoAreYouRevealsNothing(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		alone(t, net)
		for _, begin := range []frame.Command{frame.New, frame.RegReq} {
			var first []string
			for i, user := range []string{"101", "102", "999"} {
				p := newPeer(t, net, fmt.Sprintf("192.0.2.%d:4569", 60+i))
				p.token(begin, frame.Elements{Username: user, CalledNumber: "200", Capability: frame.PCMA, Format: frame.PCMA, Version: 2})
				var said []string
				for _, f := range p.hear() {
					said = append(said, fmt.Sprint(f.Command(), len(f.Payload)))
				}
				reply := frame.RegReq
				if begin == frame.New {
					reply = frame.AuthRep
				}
				p.say(reply, frame.Elements{Username: user, MD5Result: "0123456789abcdef0123456789abcdef"})
				for _, f := range p.hear() {
					e, err := frame.ParseElements(f.Payload)
					if err != nil {
						t.Fatal(err)
					}
					said = append(said, fmt.Sprint(f.Command(), len(f.Payload), e.Cause, e.CauseCode))
				}
				if first == nil {
					first = said
				}
				if len(said) < 2 || !slices.Equal(said, first) {
					t.Errorf("%v of %s: %q, of 101 %q", begin, user, said, first)
				}
			}
		}
	})
}

// TestNothingBeforeTheToken: without a token nothing is kept, no answer is longer than
// what drew it, and none comes twice.
func TestNothingBeforeTheToken(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		h := alone(t, net)
		p := newPeer(t, net, "192.0.2.50:4569")
		whole := frame.Elements{Username: "101", CalledNumber: "200", Capability: frame.PCMA, Format: frame.PCMA, Version: 2}
		asks := whole
		asks.CallToken = frame.Some([]byte(nil))
		wrong := whole
		wrong.CallToken = frame.Some([]byte("12345678"))
		for _, c := range []struct {
			command frame.Command
			e       frame.Elements
		}{
			{frame.New, whole},
			{frame.New, asks},
			{frame.New, wrong},
			{frame.New, frame.Elements{}},
			{frame.New, frame.Elements{CallToken: frame.Some([]byte(nil))}},
			{frame.RegReq, frame.Elements{Username: "101"}},
			{frame.RegReq, frame.Elements{Username: "101", CallToken: frame.Some([]byte(nil))}},
			{frame.RegRel, frame.Elements{Username: "101", CallToken: frame.Some([]byte(nil))}},
			{frame.Poke, frame.Elements{}},
			{frame.Ping, frame.Elements{}},
			{frame.HangupCall, frame.Elements{}},
			{frame.AuthRep, frame.Elements{MD5Result: "x"}},
			{frame.Ack, frame.Elements{}},
			{frame.Inval, frame.Elements{}},
			{frame.Vnak, frame.Elements{}},
			{frame.TxReq, frame.Elements{}},
		} {
			p.number++
			p.oseq, p.iseq, p.theirs = 0, 0, 0
			_, before := net.counts()
			p.say(c.command, c.e)
			_, asked := net.counts()
			time.Sleep(time.Minute)
			_, after := net.counts()
			if got := after - asked; got > asked-before {
				t.Errorf("%v of %d bytes drew %d bytes", c.command, asked-before, got)
			}
			if n := h.iax2.sessions.count(); n != 0 {
				t.Errorf("%v left %d sessions", c.command, n)
			}
		}
		if h.iax2.counts.Tokenless.Load() == 0 {
			t.Error("nobody was refused for want of a token")
		}
	})
}

// TestTokenIsOfOneAddress: a token that another address was given opens nothing.
func TestTokenIsOfOneAddress(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		h := alone(t, net)
		p := newPeer(t, net, "192.0.2.50:4569")
		p.say(frame.RegReq, frame.Elements{Username: "101", Refresh: frame.Some(uint16(60)), CallToken: frame.Some([]byte(nil))})
		token := slices.Clone(p.one(frame.CallToken).CallToken.Value)
		thief := newPeer(t, net, "192.0.2.51:4569")
		thief.say(frame.RegReq, frame.Elements{Username: "101", Refresh: frame.Some(uint16(60)), CallToken: frame.Some(token)})
		thief.one(frame.CallToken)
		time.Sleep(time.Minute)
		p.oseq = 0
		p.say(frame.RegReq, frame.Elements{Username: "101", Refresh: frame.Some(uint16(60)), CallToken: frame.Some(token)}) // and it is old by now
		p.one(frame.CallToken)
		if n := h.iax2.sessions.count(); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

// TestOldDevicesOfNamedNetworks may go without a token.
func TestOldDevicesOfNamedNetworks(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		alone(t, net, func(o *options) { o.settings.Optional = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} })
		p := newPeer(t, net, "198.51.100.9:4569")
		p.say(frame.RegReq, frame.Elements{Username: "101"})
		p.one(frame.RegAuth)
		other := newPeer(t, net, "203.0.113.9:4569")
		other.say(frame.RegReq, frame.Elements{Username: "101"})
		other.one(frame.RegRej)
	})
}

// TestSessionsOfStrangersAreBounded: who shows where he is but never who gets few
// sessions, for a short time; others are not kept out.
func TestSessionsOfStrangersAreBounded(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		h := alone(t, net)
		p := newPeer(t, net, "192.0.2.50:4569")
		for i := range 100 {
			p.number = uint16(100 + i)
			p.oseq, p.iseq, p.theirs = 0, 0, 0
			p.token(frame.New, frame.Elements{Username: "101", CalledNumber: "200", Capability: frame.PCMA, Version: 2})
		}
		p.hear()
		if n := h.iax2.sessions.count(); n != maxUnprovedAt {
			t.Errorf("%d sessions of one address, want %d", n, maxUnprovedAt)
		}
		honest := newPeer(t, net, "192.0.2.51:4569")
		honest.token(frame.RegReq, frame.Elements{Username: "101", Refresh: frame.Some(uint16(60))})
		honest.one(frame.RegAuth)
		time.Sleep(proveTime + 2*time.Second)
		if n := h.iax2.sessions.count(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// TestKnownPeersBeginManyCalls: who is registered here is not held back as strangers
// are, as long as a token shows that it is there.
func TestKnownPeersBeginManyCalls(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		h := alone(t, net, func(o *options) { o.settings.Optional = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
		at := netip.MustParseAddrPort("192.0.2.50:4569")
		done := make(chan error, 1)
		h.bindings.Update("101", []directory.Binding{{
			Contact: "iax2:101@" + at.String(), Transport: directory.TransportIAX2, Received: at, Updated: time.Now(), Expires: time.Now().Add(time.Hour),
		}}, nil, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		p := newPeer(t, net, at.String())
		begin := func(how func(frame.Command, frame.Elements), first, n int) {
			for i := range n {
				p.number = uint16(first + i)
				p.oseq, p.iseq, p.theirs = 0, 0, 0
				how(frame.New, frame.Elements{Username: "101", CalledNumber: "200", Capability: frame.PCMA, Version: 2})
			}
			p.hear()
		}
		begin(p.token, 100, 3*maxUnprovedAt)
		if n := h.iax2.sessions.count(); n != 3*maxUnprovedAt {
			t.Errorf("%d sessions with tokens, want %d", n, 3*maxUnprovedAt)
		}
		begin(func(c frame.Command, e frame.Elements) { p.say(c, e) }, 1000, 3*maxUnprovedAt) // anybody may say so
		if n := h.iax2.sessions.count(); n != 4*maxUnprovedAt {
			t.Errorf("%d sessions, want %d of them without tokens", n, maxUnprovedAt)
		}
	})
}

// TestAnotherKeyIsToldOnce: whatever comes sealed by a wrong secret, the peer is
// refused once, and what it cannot read of that does not go on for ever.
func TestAnotherKeyIsToldOnce(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		alone(t, net)
		p := newPeer(t, net, "192.0.2.50:4569")
		p.token(frame.New, frame.Elements{Username: "101", CalledNumber: "200", Capability: frame.PCMA, Version: 2, Encryption: frame.AES128})
		if q := p.one(frame.AuthReq); q.Encryption&frame.AES128 == 0 {
			t.Fatalf("the call is not encrypted: %+v", q)
		}
		wrong := proof.NewCipher(proof.NewKey())
		refused := map[uint8]bool{}
		for i := range 20 {
			sealed, err := wrong.Seal(nil, frame.AppendFull(nil, frame.Full{
				Source: p.number, Dest: p.theirs, OSeq: p.oseq, ISeq: p.iseq, Time: uint32(10 + i), Type: frame.IAX,
				Subclass: frame.Subclass(frame.AuthRep), Payload: make([]byte, 34),
			}))
			if err != nil {
				t.Fatal(err)
			}
			p.conn.net.send(p.conn.at, p.to, sealed)
			for _, f := range p.hear() {
				if f.Is(frame.Reject) {
					refused[f.OSeq] = true
				}
			}
		}
		if len(refused) != 1 {
			t.Errorf("refused by %d frames, want one", len(refused))
		}
	})
}

// TestOthersCannotTouchACall: frames from elsewhere, of other numbers, replayed, cut or
// too long change nothing of a call that stands.
func TestOthersCannotTouchACall(t *testing.T) {
	for _, encryption := range []string{"off", "required"} {
		t.Run(encryption, func(t *testing.T) {
			lives(t, func(t *testing.T, net *internet) {
				a, b := pair(t, net, func(a, b *options) {
					a.trunks[0].Encryption, b.trunks[0].Encryption = encryption, encryption
				})
				var seen [][]byte // from A to B
				net.tap = func(from, _ netip.AddrPort, data []byte) bool {
					if from == a.at {
						seen = append(seen, slices.Clone(data))
					}
					return true
				}
				caller, callee := stands(t, a, b, pcma)
				caller.press('1')
				time.Sleep(time.Second)
				net.mu.Lock()
				net.tap = nil
				net.mu.Unlock()
				l := b.leg(t)
				thief := netip.MustParseAddrPort("203.0.113.66:4569")
				for _, from := range []netip.AddrPort{thief, a.at} {
					for _, old := range seen {
						if frame.KindOf(old) == frame.KindFull { // sound again is heard again, in the clear
							net.send(from, b.at, old)
						}
					}
				}
				for _, c := range []frame.Command{frame.HangupCall, frame.Reject, frame.Inval, frame.New, frame.Quelch, frame.Transfer, frame.RtKey, frame.TxReq} {
					for seq := range 256 {
						net.send(thief, b.at, frame.AppendFull(nil, frame.Full{
							Source: l.x.number, Dest: l.x.ours, OSeq: uint8(seq), ISeq: uint8(seq), Time: 1000,
							Type: frame.IAX, Subclass: frame.Subclass(c),
						}))
					}
				}
				for n := range 40 { // cut short, from the right place: nothing of them can be read
					net.send(a.at, b.at, append([]byte{0x80, 1, byte(l.x.ours >> 8), byte(l.x.ours)}, make([]byte, n%8)...))
				}
				hear(t, caller, callee, 0.98)
				if _, _, got, _ := callee.state(); got != "1" {
					t.Errorf("digits %q, want the one that was pressed", got)
				}
				caller.hangUp()
				nothingLeft(t, a, b)
			})
		})
	}
}

// TestPeerThatStartsAnew: who begins another call with the number of one that stands
// has forgotten that one.
func TestPeerThatStartsAnew(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		h := alone(t, net)
		p := newPeer(t, net, "192.0.2.50:4569")
		begin := func(time uint32) {
			p.oseq, p.iseq, p.theirs = 0, 0, 0
			p.token(frame.New, frame.Elements{Username: "101", CalledNumber: "200", Capability: frame.PCMA, Format: frame.PCMA, Version: 2, DateTime: frame.DateTime(time)})
			asked := p.one(frame.AuthReq)
			p.say(frame.AuthRep, frame.Elements{MD5Result: proof.Answer(asked.Challenge, "a long secret")})
			p.one(frame.Accept)
		}
		begin(1)
		begin(2)
		time.Sleep(time.Second)
		if now, total := h.calls.Counts(); now != 1 || total != 2 {
			t.Errorf("%d calls stand of %d, want 1 of 2", now, total)
		}
	})
}

func testKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	private, err := key.Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func testPublic(t *testing.T, private *rsa.PrivateKey) string {
	t.Helper()
	text, err := key.Format(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestKeysProveInstead of a password: RSA.
func TestKeysProveInstead(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		own := testKey(t)
		public := testPublic(t, own)
		a, b := pair(t, net, func(a, b *options) {
			a.key, b.key = own, own
			a.trunks[0].Secret, b.trunks[0].Secret = "", ""
			a.trunks[0].Key, b.trunks[0].Key = public, public
		})
		caller, callee := stands(t, a, b, pcma)
		hear(t, caller, callee, 0.98)
	})
}

// FuzzServer throws frames at a server with a call: nothing stops it, and its call
// stands unless its own peer ends it.
func FuzzServer(f *testing.F) {
	full := frame.AppendFull(nil, frame.Full{Source: 9, Type: frame.IAX, Subclass: frame.Subclass(frame.New)})
	f.Add(full, false)
	f.Add(frame.AppendMini(nil, frame.Mini{Source: 9, Payload: []byte("x")}), true)
	f.Add(frame.AppendTrunk(nil, 0, true), true)
	f.Fuzz(func(t *testing.T, b []byte, fromPeer bool) {
		lives(t, func(t *testing.T, net *internet) {
			a, bb := pair(t, net)
			caller, _ := stands(t, a, bb, pcma)
			from := netip.MustParseAddrPort("203.0.113.66:4569")
			if fromPeer {
				from = a.at
			}
			for range 3 {
				net.send(from, bb.at, b)
			}
			time.Sleep(time.Second)
			if !fromPeer && caller.over() != "" {
				t.Errorf("a stranger's frame ended the call: %x", b)
			}
			caller.hangUp()
			nothingLeft(t, a, bb)
		})
	})
}

// TestTrunkIsWatched: up with the time that an answer takes, then down.
func TestTrunkIsWatched(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		often := 10 * time.Second
		a, _ := pair(t, net, func(a, _ *options) { a.trunks[0].Qualify = &often })
		time.Sleep(often)
		if got := a.iax2.Trunks()[0]; got.State != string(Up) || got.Target != "iax2 "+atB+", 20 ms" {
			t.Errorf("the trunk is %q at %q", got.State, got.Target)
		}
		net.set(weather{loss: 1})
		time.Sleep(2*often + silent)
		if got := a.iax2.Trunks()[0]; got.State != string(Down) || got.Error == "" {
			t.Errorf("the trunk is %q: %q", got.State, got.Error)
		}
	})
}

// TestTrunkRegisters at another house, is called where it registered, and is heard of
// no more after its goodbye.
func TestTrunkRegisters(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		yes := true
		a, b := pair(t, net, func(a, b *options) {
			a.trunks[0].Register = &yes
			a.routes["300"] = "tone:"
			b.trunks[0].Address, b.trunks[0].Accept = "", "register"
			b.routes["300"] = "trunk:a/300"
		})
		time.Sleep(3 * time.Second)
		if got := a.iax2.Trunks()[0].State; got != string(Registered) {
			t.Fatalf("the trunk is %q", got)
		}
		caller := b.call("201", "300", pcma)
		time.Sleep(2 * time.Second)
		if _, answered, _, _ := caller.state(); !answered {
			t.Errorf("who registered was not reached: %q", caller.over())
		}
		caller.hangUp()
		time.Sleep(time.Second)
		net.set(weather{loss: 1}) // the registrar is away for a while, and the registration goes on after that
		time.Sleep(15 * time.Minute)
		if got := a.iax2.Trunks()[0].State; got != string(Waiting) {
			t.Errorf("without a registrar the trunk is %q", got)
		}
		net.set(weather{})
		time.Sleep(retryMost + retryMost/2 + time.Minute)
		if got := b.iax2.Trunks()[0].State; got != string(Here) {
			t.Errorf("the registrar says %q", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a.iax2.Unregister(ctx)
		if got := b.iax2.Trunks()[0].State; got != string(NotHere) {
			t.Errorf("after the goodbye the registrar says %q", got)
		}
	})
}
