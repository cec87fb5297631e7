package sip

import (
	"bufio"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/media/sdp"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// A second answer of a fork is let go; the dialog of the first still takes
// requests.
func TestWinnerOutlivesTheForkLetGo(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	b.answer(in, 200, "one", b.offer())
	b.expect("ACK")
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	b.answer(in, 200, "two", b.offer())
	b.expect("ACK")
	b.answer(b.expect("BYE"), 200, "", "")
	from, _ := in.From().Params.Get("tag")
	bd := dlg{callID: string(*in.CallID()), from: "one", to: from, seq: 1}
	b.send("INFO", target(in), bd, "") // by now the answer to our BYE has been read
	b.expect("200")
	b.send("BYE", target(in), bd.next(), "")
	a.answer(a.expect("BYE"), 200, "", "")
	b.expect("200")
	l.idle()
}

// The answer crosses the CANCEL and is the first that names a tag.
func TestCancelCrossesTheFirstTag(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	b.answer(in, 180, "other", "")
	a.expect("180")
	a.send("CANCEL", "sip:102@tincan", dlg{d.callID, d.from, "", d.branch, 2}, "")
	a.expect("200")
	b.answer(b.expect("CANCEL"), 200, "bt", "")
	b.answer(in, 200, "bt", b.offer())
	b.expect("ACK")
	b.answer(b.expect("BYE"), 200, "", "")
	b.answer(in, 200, "bt", b.offer()) // once more: acknowledged, no second BYE
	b.expect("ACK")
	l.idle()
	if m := b.read(50 * time.Millisecond); m != nil {
		t.Errorf("then came\n%s", m)
	}
}

// An offer that the end of the call overtakes is answered (RFC 3261 15.1.2).
func TestOfferOvertakenByTheEnd(t *testing.T) {
	for _, who := range []string{"server", "party"} {
		l := newLab(t)
		a, b := l.phone("101"), l.phone("102")
		b.register()
		ad, _, at, _ := talk(a, b)
		leg := l.standingLeg(ad.to)
		leg.Own(nil) // its call is just ending
		re := ad.next()
		a.send("INVITE", at, re, a.offer())
		if who == "server" {
			a.expect("100")
			leg.Hangup(call.Normal)
			a.answer(a.expect("BYE"), 200, "", "")
		} else {
			a.send("BYE", at, re.next(), "")
		}
		if res := a.expect("487"); res.CSeq().SeqNo != uint32(re.seq) {
			t.Error(res)
		}
		if who == "party" {
			a.expect("200")
		}
	}
}

// A phone that hangs up before it answers: the caller is refused, never told
// 200, and the phone's INVITE gets its end.
func TestGoodbyeBeforeTheAnswer(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	b.answer(in, 180, "bt", "")
	a.expect("180")
	from, _ := in.From().Params.Get("tag")
	b.send("BYE", target(in), dlg{callID: string(*in.CallID()), from: "bt", to: from, seq: 1}, "")
	b.answer(b.expect("CANCEL"), 200, "bt", "")
	b.answer(in, 487, "bt", "")
	b.expect("ACK")
	res := a.expect("603")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	l.left(true)
}

// Whatever ends a call in peace, who was not answered yet is not told 200.
func TestUnansweredIsNeverAccepted(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	b.answer(b.expect("INVITE"), 180, "bt", "")
	a.expect("180")
	l.calls.Hangup(l.calls.Snapshots()[0].ID, call.Normal)
	res := a.expect("480")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
}

// speak sends packets, as a phone does, until the other side hears one: what
// lets them through may still be on its way by SIP.
func speak(t *testing.T, from, to *net.UDPConn, at wire.Message, words string) {
	t.Helper()
	d, _, err := sdp.Parse(at.Body())
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2000)
	for seq := range uint16(500) {
		if _, err := from.WriteToUDPAddrPort(rtpPacket(0, seq, words), d.Streams[0].RTP); err != nil {
			t.Fatal(err)
		}
		_ = to.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := to.Read(b); err == nil && strings.HasSuffix(string(b[:n]), words) {
			return
		}
	}
	t.Fatalf("%q was never heard", words)
}

// Sound that a re-INVITE turns off (port 0) comes back with the next.
func TestSoundOffAndOn(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	as, bs := socket(t), socket(t)
	a.rtp, b.rtp = portOn(as), portOn(bs)
	b.register()
	ad, _, at, _ := talk(a, b)
	off := ad.next()
	a.send("INVITE", at, off, strings.Replace(a.offer(), fmt.Sprint("m=audio ", a.rtp), "m=audio 0", 1))
	ok := a.expect("200")
	if !strings.Contains(string(ok.Body()), "m=audio 0 ") {
		t.Errorf("answered:\n%s", ok.Body())
	}
	a.send("ACK", at, off, "")
	if s := l.calls.Snapshots(); len(s) != 1 {
		t.Fatalf("calls %+v", s)
	}
	on := off.next()
	a.send("INVITE", at, on, a.offer())
	ok = a.expect("200")
	if strings.Contains(string(ok.Body()), "m=audio 0 ") {
		t.Fatalf("answered:\n%s", ok.Body())
	}
	a.send("ACK", at, on, "")
	speak(t, as, bs, ok, "again")
	a.send("BYE", at, on.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// A phone that holds, then asks for an offer, is offered everything, and its
// answer in the ACK ends the hold.
func TestResumeByOfferInTheAnswer(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	as, bs := socket(t), socket(t)
	a.rtp, b.rtp = portOn(as), portOn(bs)
	b.register()
	ad, _, at, _ := talk(a, b)
	hold := ad.next()
	a.send("INVITE", at, hold, a.offer()+"a=inactive\r\n")
	a.expect("200")
	a.send("ACK", at, hold, "")
	re := hold.next()
	a.send("INVITE", at, re, "")
	ok := a.expect("200")
	if !strings.Contains(string(ok.Body()), "a=sendrecv") {
		t.Fatalf("offered:\n%s", ok.Body())
	}
	a.send("ACK", at, re, a.offer())
	a.send("INFO", at, re.next(), "") // read after the ACK
	a.expect("200")
	deadline := time.Now().Add(10 * time.Second)
	for l.calls.Snapshots()[0].Legs[0].Held && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	speak(t, as, bs, ok, "resumed")
}

// The picture and the text may be silent, the sound may not.
func TestOnlySilentSoundEndsACall(t *testing.T) {
	l := &leg{}
	if l.events(media.Video).Dead != nil || l.events(media.Text).Dead != nil || l.events(media.Audio).Dead == nil {
		t.Error("who turns the camera off loses the call")
	}
}

// A 2xx to an older re-INVITE, sent once more, is no answer to the present one.
func TestOldAnswerOnceMore(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	ad, _, _, _ := talk(a, b)
	leg := l.standingLeg(ad.to)
	leg.refresh()
	first := a.expect("INVITE")
	a.answer(first, 200, ad.from, a.offer())
	a.expect("ACK")
	leg.refresh()
	second := a.expect("INVITE")
	a.answer(first, 200, ad.from, a.offer())
	if ack := a.expect("ACK"); ack.CSeq().SeqNo != first.CSeq().SeqNo {
		t.Error(ack)
	}
	leg.mu.Lock()
	out := leg.offering
	leg.mu.Unlock()
	if !out {
		t.Error("the older answer ended the present offer")
	}
	a.answer(second, 200, ad.from, a.offer())
	a.expect("ACK")
}

// A phone that gets another address mid-call and registers from there is
// reached there.
func TestPhoneThatMoves(t *testing.T) {
	l := newLab(t)
	a, b, later := l.phone("101"), l.phone("102"), l.phone("102")
	const uri = "sip:102@tincan"
	register := func(p *phone) {
		t.Helper()
		text := func(d dlg, extra ...string) string {
			s := p.text("REGISTER", uri, d, "", extra...)
			return strings.Replace(s, "<sip:102@"+p.addr().String()+">", "<sip:102@10.0.0.7:5060>;+sip.instance=\"<urn:uuid:7>\"", 1)
		}
		p.write(text(p.regDlg()))
		c := p.expect("401")
		p.write(text(p.regDlg(), p.auth(c, "REGISTER", uri, "pw102", 1, "MD5")))
		p.expect("200")
	}
	register(b)
	ad, _, at, _ := talk(a, b)
	register(later)
	a.send("BYE", at, ad.next(), "")
	later.answer(later.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// A session timer of centuries does not overflow into none.
func TestSessionExpiresIsBounded(t *testing.T) {
	for text, want := range map[string]int{"9223372037": 0, "99999999999999999999": 0, "-5": 0, "2147483647;refresher=uas": 2147483647, " 90 ": 90} {
		if got, _ := parseExpires(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}

// A phone that changes its media and forgets the session timer will not
// refresh: we do.
func TestForgottenTimerIsOurs(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	d := a.invite("*43", a.offer(), "Supported: timer", "Session-Expires: 90;refresher=uac")
	ok := a.expect("200")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	re := d.next()
	a.send("INVITE", target(ok), re, a.offer())
	if v := header(a.expect("200"), "Session-Expires"); v != "90;refresher=uas" {
		t.Errorf("Session-Expires: %s", v)
	}
}

func md5Hex(s string) string {
	h := md5.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}

// Capitals in nc are hashed as they were written.
func TestCountInCapitals(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	a.send("REGISTER", aor, a.regDlg(), "")
	challenge := a.expect("401").GetHeaders("WWW-Authenticate")[0].Value()
	_, nonce, _ := strings.Cut(challenge, `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	line := credentials(challenge, "101", "pw101", "REGISTER", aor, 0xab, "MD5")
	ha1 := md5Hex("101:tincan:pw101")
	want := md5Hex(ha1 + ":" + nonce + ":000000AB:cn:auth:" + md5Hex("REGISTER:"+aor))
	_, old, _ := strings.Cut(line, `response="`)
	old, _, _ = strings.Cut(old, `"`)
	a.send("REGISTER", aor, a.regDlg(), "", strings.NewReplacer(old, want, "000000ab", "000000AB").Replace(line))
	a.expect("200")
}

// The dialog's way: loose routers are listed, a strict one is asked itself.
func TestRouteSets(t *testing.T) {
	d := dialog{routes: []string{"<sip:p1;lr>", "<sip:p2;lr>"}}
	if err := wire.ParseUri("sip:b@10.0.0.1", &d.target); err != nil {
		t.Fatal(err)
	}
	routes := func() (uri string, out []string) {
		req := d.newRequest(wire.BYE, 0)
		for _, h := range req.GetHeaders("Route") {
			out = append(out, h.Value())
		}
		return req.Recipient.String(), out
	}
	if uri, r := routes(); uri != "sip:b@10.0.0.1" || strings.Join(r, " ") != "<sip:p1;lr> <sip:p2;lr>" {
		t.Error(uri, r)
	}
	d.routes[0] = "<sip:p1>"
	if uri, r := routes(); uri != "sip:p1" || strings.Join(r, " ") != "<sip:p2;lr> <sip:b@10.0.0.1>" {
		t.Error(uri, r)
	}
}

// nobody takes the events of a leg that a test dials by itself.
type nobody struct{ events chan call.Event }

func (n nobody) Post(e call.Event) { n.events <- e }

func (l *lab) dialTrunk(proto, address, number string) (call.Leg, nobody) {
	l.t.Helper()
	d, _, err := sdp.Parse([]byte("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 40000 RTP/AVP 0\r\n"))
	if err != nil {
		l.t.Fatal(err)
	}
	o := nobody{make(chan call.Event, 100)}
	tr := directory.Trunk{Name: "x", Address: address, Transport: proto}
	legs, err := l.sip.DialTrunk(&tr, number, call.Setup{From: call.Party{Number: "1"}, Offer: d, MaxForwards: 70}, o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(legs[0].Release)
	return legs[0], o
}

// What was dialled stays within the user part of the URI.
func TestNumberOfATrunkIsEscaped(t *testing.T) {
	l := newLab(t)
	peer := l.phone("peer")
	l.dialTrunk("udp", peer.addr().String(), "1@evil:5;x=y\r\nX-Evil: 1")
	in := peer.expect("INVITE").(*wire.Request)
	if in.Recipient.Host != "127.0.0.1" || len(in.GetHeaders("X-Evil")) != 0 || strings.Contains(in.Recipient.User, "@") {
		t.Errorf("sent\n%s", in)
	}
}

// A trunk's connection that ended mid-call is opened again for the BYE.
func TestGoodbyeOverANewConnection(t *testing.T) {
	l := newLab(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
	accept := func() (net.Conn, *bufio.Reader) {
		t.Helper()
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return c, bufio.NewReader(c)
	}
	read := func(r *bufio.Reader) *wire.Request {
		t.Helper()
		b, err := transport.Frame(r)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wire.ParseMessage(b)
		if err != nil {
			t.Fatal(err)
		}
		return m.(*wire.Request)
	}
	leg, o := l.dialTrunk("tcp", ln.Addr().String(), "5")
	c, r := accept()
	in := read(r)
	res := transaction.Reply(in, 200, "OK")
	transaction.SetTag(res, "pt")
	res.AppendHeader(wire.NewHeader("Contact", "<sip:5@10.9.9.9:5060;transport=tcp>"))
	withSDP(res, []byte("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 40000 RTP/AVP 0\r\n"))
	_, _ = c.Write([]byte(res.String()))
	if ack := read(r); ack.Method != wire.ACK {
		t.Error(ack)
	}
	if e := <-o.events; e.(call.Answered).Leg != leg {
		t.Error(e)
	}
	_ = c.Close()
	for l.sip.Transport().Conns.Load() != 0 {
		time.Sleep(time.Millisecond)
	}
	leg.Hangup(call.Normal)
	c, r = accept()
	defer func() { _ = c.Close() }()
	bye := read(r)
	if bye.Method != wire.BYE {
		t.Error(bye)
	}
	_, _ = c.Write([]byte(transaction.Reply(bye, 200, "OK").String()))
	leg.Release()
	l.left(false)
}

// A party that answers 481 within the dialog has lost the call: it ends.
func TestPartyThatForgot(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	ad, _, at, _ := talk(a, b)
	a.send("INFO", at, ad.next(), "Signal=5\r\n", "Content-Type: application/dtmf-relay")
	a.expect("200")
	b.answer(b.expect("INFO"), 481, "", "")
	b.answer(b.expect("BYE"), 481, "", "")
	a.answer(a.expect("BYE"), 200, "", "")
	l.idle()
}

// A 200 that belongs to no transaction of ours makes no dialog.
func TestStrayAnswer(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	forged := transaction.Reply(in.(*wire.Request), 200, "OK")
	forged.Via().Params.Add("branch", "z9hG4bKother")
	transaction.SetTag(forged, "x")
	withSDP(forged, []byte(b.offer()))
	b.write(forged.String())
	b.answer(in, 486, "bt", "")
	res := a.expect("486")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	l.idle()
}
