package sip

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// socket gives a phone a real RTP socket, whose port its descriptions name.
func (p *phone) socket() *net.UDPConn {
	p.t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.addr().Addr(), 0)))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	p.rtp = int(c.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	return c
}

// hears sends sound from one phone to the port that a description gave it, until
// the other phone has some.
func hears(t *testing.T, from *net.UDPConn, description string, to *net.UDPConn) {
	t.Helper()
	send(t, "audio", append([]byte{0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7}, make([]byte, 160)...), from, description, to)
}

// passes sends what is no RTP.
func passes(t *testing.T, from *net.UDPConn, description string, to *net.UDPConn) {
	t.Helper()
	send(t, "image", []byte{0, 1, 0, 1, 6, 0, 0}, from, description, to)
}

func send(t *testing.T, media string, packet []byte, from *net.UDPConn, description string, to *net.UDPConn) {
	t.Helper()
	var port int
	_, m, _ := strings.Cut(description, "m="+media+" ")
	if _, err := fmt.Sscan(m, &port); err != nil {
		t.Fatalf("no port in\n%s", description)
	}
	b := make([]byte, 1500)
	for i := range 100 {
		packet[3] = byte(i)
		if _, err := from.WriteToUDP(packet, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}); err != nil {
			t.Fatal(err)
		}
		_ = to.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := to.Read(b); err == nil && n == len(packet) {
			return
		}
	}
	t.Errorf("no %s arrives", media)
}

// A caller leaves the offer to us: it gets what the called party chose, and both
// hear each other.
func TestLateOffer(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	as, bs := a.socket(), b.socket()
	d := a.invite("102", "")
	in := b.expect("INVITE")
	for _, want := range []string{"opus/48000/2", "G722/8000", "PCMA/8000", "PCMU/8000", "telephone-event/8000"} {
		if !strings.Contains(string(in.Body()), want) {
			t.Errorf("the called party is not offered %s", want)
		}
	}
	b.answer(in, 183, "bt", b.offer("8"))
	if early := a.expect("183"); len(early.Body()) > 0 {
		t.Error("a description in a response that may be lost, though we have to offer")
	}
	b.answer(in, 200, "bt", b.offer("8"))
	ok := a.expect("200")
	b.expect("ACK")
	if body := string(ok.Body()); !strings.Contains(body, "PCMA/8000") || strings.Contains(body, "PCMU") {
		t.Errorf("offered\n%s", body)
	}
	d = d.within(ok)
	a.send("ACK", target(ok), d, a.offer("8"))
	hears(t, as, string(ok.Body()), bs)
	hears(t, bs, string(in.Body()), as)
	a.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// The ACK has no answer: there is no call.
func TestLateOfferWithoutAnswer(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", "")
	b.answer(b.expect("INVITE"), 200, "bt", b.offer())
	ok := a.expect("200")
	b.expect("ACK")
	a.send("ACK", target(ok), d.within(ok), "")
	a.answer(a.expect("BYE"), 200, "", "")
	b.answer(b.expect("BYE"), 200, "", "")
	if rec := l.last(1); rec.Cause != "no-common-codec" {
		t.Errorf("recorded as %s", rec.Cause)
	}
	l.idle()
}

// A caller wants its provisional responses to arrive (RFC 3262).
func TestReliableToTheCaller(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer(), "Require: 100rel")
	in := b.expect("INVITE")
	b.answer(in, 183, "bt", b.offer())
	first := a.expect("183")
	again := a.expect("183")
	if first.String() != again.String() || header(first, "RSeq") == "" || header(first, "Require") != "100rel" {
		t.Errorf("not repeated as it was:\n%s\n%s", first, again)
	}
	b.answer(in, 200, "bt", b.offer())
	b.expect("ACK")
	e := d.within(first).next()
	a.send("PRACK", target(first), e, "", "RAck: 4711 2 INVITE")
	a.expect("481")
	e = e.next()
	a.send("PRACK", target(first), e, "", "RAck: "+header(first, "RSeq")+" 2 INVITE")
	for a.expect("200").CSeq().MethodName != "PRACK" {
		t.Fatal("answered before the early answer was acknowledged")
	}
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	a.send("BYE", target(ok), e.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// A caller that never acknowledges is refused, and nothing is left.
func TestReliableUnacknowledged(t *testing.T) {
	l := newLab(t)
	l.calls.Reconfigure(time.Minute)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer(), "Require: 100rel")
	in := b.expect("INVITE")
	b.answer(in, 180, "bt", "")
	res := a.expect("504")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	cancel := b.expect("CANCEL")
	b.answer(cancel, 200, "bt", "")
	b.answer(in, 487, "bt", "")
	b.expect("ACK")
	l.idle()
}

// A called party sends reliable responses, one of them twice, one that overtakes.
func TestReliableFromTheCallee(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	if !strings.Contains(header(in, "Supported"), "100rel") {
		t.Error("100rel is not offered")
	}
	for _, r := range []struct{ code, seq int }{{180, 7}, {180, 7}, {183, 9}, {183, 8}} {
		b.answer(in, r.code, "bt", "", "Require: 100rel", fmt.Sprint("RSeq: ", r.seq))
	}
	for _, want := range []string{"7 1 INVITE", "8 1 INVITE"} {
		p := b.expect("PRACK")
		if got := header(p, "RAck"); got != want {
			t.Errorf("RAck %q, want %q", got, want)
		}
		b.answer(p, 200, "", "")
	}
	b.answer(in, 200, "bt", b.offer())
	b.expect("ACK")
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	a.send("BYE", target(ok), d.within(ok).next(), "")
	bye := b.expect("BYE")
	if seq := bye.CSeq().SeqNo; seq <= 3 {
		t.Errorf("BYE has CSeq %d, after two PRACKs", seq)
	}
	b.answer(bye, 200, "", "")
	a.expect("200")
	if len(b.inbox) > 0 {
		t.Errorf("102 is sent %v too", firsts(b.inbox))
	}
	l.idle()
}
