package sip

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"tincan/phone/media"
	"tincan/phone/media/sdp"
)

// iceNumber is an extension whose phone is offered ICE.
const iceNumber = "104"

const password = "asd88fgpdd777uzjYhagZg"

// offerICE is a phone's offer with ICE: of its RTP socket, if that is to be told.
func (p *phone) offerICE(ufrag string, tell bool) string {
	p.t.Helper()
	s := p.offer("8") + "a=ice-ufrag:" + ufrag + "\r\na=ice-pwd:" + password + "\r\na=rtcp-mux\r\na=ice-options:trickle\r\na=mid:0\r\n"
	if tell {
		s += "a=" + p.candidate() + "\r\n"
	}
	return s
}

func (p *phone) candidate() string {
	return fmt.Sprintf("candidate:1 1 udp 2130706431 %s %d typ host", p.addr().Addr(), p.rtp)
}

// spoken is what a message says of ICE in its first line.
func spoken(t *testing.T, body []byte) *media.ICE {
	t.Helper()
	d, _, err := sdp.Parse(body)
	if err != nil || len(d.Streams) == 0 {
		t.Fatalf("%v in\n%s", err, body)
	}
	return d.Streams[0].ICE
}

// Who offers ICE is answered with it; a plain phone sees nothing of it, one that
// is to be offered it is. What the party says later of its ICE is heeded.
func TestICEOfferedAndAnswered(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	rtp := a.socket()
	d := a.invite("102", a.offerICE("first", true))
	in := b.expect("INVITE")
	if spoken(t, in.Body()) != nil {
		t.Errorf("a plain phone is offered\n%s", in.Body())
	}
	b.answer(in, 200, "bt", b.offer("8"))
	b.expect("ACK")
	ok := a.expect("200")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	answer := spoken(t, ok.Body())
	if answer == nil || len(answer.Candidates) != 1 || !answer.Complete || !answer.Trickles() || !strings.Contains(string(ok.Body()), "a=mid:0") {
		t.Fatalf("answered with\n%s", ok.Body())
	}
	checks(t, rtp, "first:"+answer.Ufrag)

	same := renewed(t, a, &d, target(ok), a.offerICE("first", true))
	if !same.Same(answer) {
		t.Errorf("the same again is answered with another ufrag, %s", same.Ufrag)
	}
	anew := renewed(t, a, &d, target(ok), a.offerICE("second", true))
	if anew.Same(answer) || anew == nil {
		t.Error("who begins anew is answered as before")
	}
	if plain := renewed(t, a, &d, target(ok), a.offer("8")); plain != nil {
		t.Error("ICE with who does not speak it any more")
	}
	a.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// renewed is what a re-INVITE is answered with.
func renewed(t *testing.T, p *phone, d *dlg, to, body string) *media.ICE {
	t.Helper()
	*d = d.next()
	p.send("INVITE", to, *d, body)
	ok := p.expect("200")
	p.send("ACK", to, *d, "")
	return spoken(t, ok.Body())
}

// checks waits for a STUN request for a user name.
func checks(t *testing.T, c *net.UDPConn, user string) {
	t.Helper()
	b := make([]byte, 1500)
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("no check for %s: %v", user, err)
		}
		m := &stun.Message{Raw: b[:n]}
		var name stun.Username
		if m.Decode() == nil && name.GetFrom(m) == nil && m.Type == stun.BindingRequest && string(name) == user {
			return
		}
	}
}

func TestICEIsOfferedToWhoWantsIt(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone(iceNumber)
	b.register()
	rtp := b.socket()
	d := a.invite(iceNumber, a.offer("8"))
	in := b.expect("INVITE")
	offer := spoken(t, in.Body())
	if offer == nil || len(offer.Candidates) != 2 || !strings.Contains(string(in.Body()), "a=rtcp-mux") {
		t.Fatalf("offered\n%s", in.Body())
	}
	b.answer(in, 200, "bt", b.offerICE("mine", true))
	b.expect("ACK")
	checks(t, rtp, "mine:"+offer.Ufrag)
	ok := a.expect("200")
	if spoken(t, ok.Body()) != nil {
		t.Errorf("a plain caller is answered\n%s", ok.Body())
	}
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	a.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// It answers without: sound flows as without ICE.
func TestICEIsNotTaken(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone(iceNumber)
	b.register()
	as, bs := a.socket(), b.socket()
	d := a.invite(iceNumber, a.offer("8"))
	in := b.expect("INVITE")
	b.answer(in, 200, "bt", b.offer("8"))
	b.expect("ACK")
	ok := a.expect("200")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	hears(t, as, string(ok.Body()), bs)
	hears(t, bs, string(in.Body()), as)
	a.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// Candidates that come by INFO are tried (RFC 8840); what is none is refused.
func TestTrickledCandidates(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	rtp := a.socket()
	d := a.invite("*43", a.offerICE("later", false))
	ok := a.expect("200")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	answer := spoken(t, ok.Body())
	const kind = "Content-Type: application/trickle-ice-sdpfrag"
	d = d.next()
	a.send("INFO", target(ok), d, strings.Repeat("a=candidate\r\n", 2000), kind, "Info-Package: trickle-ice")
	a.expect("400")
	d = d.next()
	fragment := "a=ice-ufrag:later\r\na=ice-pwd:" + password + "\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=" + a.candidate() + "\r\na=end-of-candidates\r\n"
	a.send("INFO", target(ok), d, fragment, kind, "Info-Package: trickle-ice")
	a.expect("200")
	checks(t, rtp, "later:"+answer.Ufrag)
	a.send("BYE", target(ok), d.next(), "")
	a.expect("200")
	l.idle()
}

// An address that was changed on the way is told of, and ICE not used.
func TestICEMismatch(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	a.socket()
	offer := strings.Replace(a.offerICE("here", true), a.candidate(), "candidate:1 1 udp 2130706431 10.9.9.9 4000 typ host", 1)
	d := a.invite("*43", offer)
	ok := a.expect("200")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	if said := spoken(t, ok.Body()); said == nil || !said.Mismatch {
		t.Errorf("answered\n%s", ok.Body())
	}
	a.send("BYE", target(ok), d.next(), "")
	a.expect("200")
	l.idle()
}

// A phone that registers from elsewhere within a call is asked to begin anew.
func TestICEFollowsAPhoneThatMoves(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone(iceNumber)
	b.register(b.instanceOf("x", ""))
	b.socket()
	d := a.invite(iceNumber, a.offer("8"))
	in := b.expect("INVITE")
	b.answer(in, 200, "bt", b.offerICE("mine", true))
	b.expect("ACK")
	ok := a.expect("200")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	moved := l.phone(iceNumber)
	rtp := moved.socket()
	moved.register(moved.instanceOf("x", ""))
	re := moved.expect("INVITE")
	offer := spoken(t, re.Body())
	if offer == nil || offer.Same(spoken(t, in.Body())) {
		t.Fatalf("offered\n%s", re.Body())
	}
	moved.answer(re, 200, tagOf(re), moved.offerICE("elsewhere", true))
	moved.expect("ACK")
	checks(t, rtp, "elsewhere:"+offer.Ufrag)
	a.send("BYE", target(ok), d.next(), "")
	moved.answer(moved.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}
