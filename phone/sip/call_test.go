package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"
)

func TestCallAndHangup(t *testing.T) {
	for _, who := range []string{"caller", "callee"} {
		l := newLab(t)
		a, b := l.phone("101"), l.phone("102")
		b.register()
		ad, bd, at, bt := talk(a, b)
		by, other, d, uri := a, b, ad.next(), at
		if who == "callee" {
			by, other, d, uri = b, a, bd.next(), bt
		}
		by.send("BYE", uri, d, "")
		bye := other.expect("BYE")
		other.answer(bye, 200, "", "")
		by.expect("200")
		rec := l.last(1)
		if rec.Cause != "normal" || rec.EndedBy != who || rec.From != "extension:101" || rec.To != "extension:102" || len(rec.Legs) != 2 {
			t.Errorf("record %+v", rec)
		}
		for _, leg := range rec.Legs {
			if leg.Codec != "pcmu" || leg.CodecBy == "" {
				t.Errorf("leg %+v", leg)
			}
		}
		l.left(true)
	}
}

func TestNobodySeesTheOther(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	for _, hidden := range []string{d.callID, d.from, a.addr().String()} {
		if strings.Contains(in.String(), hidden) {
			t.Errorf("the callee sees %s of the caller:\n%s", hidden, in)
		}
	}
	if f := in.From(); f.Address.User != "101" || f.DisplayName != "Phone 101" {
		t.Errorf("the callee sees From %s", f.Value())
	}
	b.answer(in, 180, "bt", "")
	a.expect("180")
	a.send("CANCEL", "sip:102@tincan", dlg{d.callID, d.from, "", d.branch, 2}, "")
	a.expect("200")
	b.answer(b.expect("CANCEL"), 200, "", "")
	b.answer(in, 487, "bt", "")
	b.expect("ACK")
	if res := a.expect("487"); res.CSeq().MethodName != wire.INVITE {
		t.Error(res)
	} else {
		a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	}
	if rec := l.last(1); rec.Cause != "cancelled" || rec.EndedBy != "caller" {
		t.Errorf("record %+v", rec)
	}
	l.idle()
}

// The answer crosses the CANCEL: it is acknowledged and let go.
func TestCancelCrossesTheAnswer(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	b.answer(in, 180, "bt", "")
	a.expect("180")
	a.send("CANCEL", "sip:102@tincan", dlg{d.callID, d.from, "", d.branch, 2}, "")
	a.expect("200")
	cancel := b.expect("CANCEL")
	b.answer(in, 200, "bt", b.offer())
	b.answer(cancel, 200, "bt", "")
	b.expect("ACK")
	b.answer(b.expect("BYE"), 200, "", "")
	res := a.expect("487")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	l.idle()
}

func TestRefusals(t *testing.T) {
	for code, want := range map[int]string{486: "486", 603: "603", 480: "480", 404: "404", 500: "500", 302: "503", 401: "503"} {
		l := newLab(t)
		a, b := l.phone("101"), l.phone("102")
		b.register()
		d := a.invite("102", a.offer())
		b.answer(b.expect("INVITE"), code, "bt", "")
		b.expect("ACK")
		res := a.expect(want)
		a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
		l.idle()
	}
}

func TestNoAnswerUnregisteredUnknown(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	fails := func(number, code, cause string, n int) {
		t.Helper()
		d := a.invite(number, a.offer())
		if number == "102" && code == "480" && cause == "no-answer" {
			in := b.expect("INVITE")
			b.answer(in, 180, "bt", "")
			a.expect("180")
			b.answer(b.expect("CANCEL"), 200, "", "")
			b.answer(in, 487, "bt", "")
			b.expect("ACK")
		}
		res := a.expect(code)
		a.send("ACK", "sip:"+number+"@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
		if rec := l.last(n); rec.Cause != cause {
			t.Errorf("%s: record %+v", number, rec)
		}
	}
	fails("102", "480", "unreachable", 1)
	fails("999", "404", "not-found", 2)
	b.register()
	fails("102", "480", "no-answer", 3)
	l.idle()
}

func TestNoCommonCodecSaysWho(t *testing.T) {
	l := newLab(t)
	a, c := l.phone("101"), l.phone("103")
	c.register()
	d := a.invite("103", a.offer())
	res := a.expect("488")
	if w := res.GetHeaders("Warning"); len(w) != 1 || !strings.Contains(w[0].Value(), "pcmu, pcma") || !strings.Contains(w[0].Value(), "amr") {
		t.Errorf("Warning: %v", w)
	}
	a.send("ACK", "sip:103@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	body := strings.Replace(a.offer(), "RTP/AVP", "RTP/SAVP", 1)
	d = a.invite("102", body)
	res = a.expect("488")
	if w := res.GetHeaders("Warning"); len(w) != 1 || !strings.Contains(w[0].Value(), "RTP/SAVP") {
		t.Errorf("Warning: %v", w)
	}
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	l.idle()
}

// Two devices ring; one answers, the other is told why it stops.
func TestAllDevicesRing(t *testing.T) {
	l := newLab(t)
	a, b, c := l.phone("101"), l.phone("102"), l.phone("102")
	b.register()
	c.register()
	d := a.invite("102", a.offer())
	inB, inC := b.expect("INVITE"), c.expect("INVITE")
	b.answer(inB, 180, "bt", "")
	c.answer(inC, 180, "ct", "")
	a.expect("180")
	c.answer(inC, 200, "ct", c.offer())
	ok := a.expect("200")
	c.expect("ACK")
	b.answer(b.expect("CANCEL"), 200, "", "")
	b.answer(inB, 487, "bt", "")
	b.expect("ACK")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	a.send("BYE", target(ok), d.next(), "")
	c.answer(c.expect("BYE"), 200, "", "")
	a.expect("200")
	if rec := l.last(1); len(rec.Legs) != 3 {
		t.Errorf("record %+v", rec)
	}
	l.idle()
}

// Both devices answer at once: one is let go.
func TestTwoAnswersAtOnce(t *testing.T) {
	l := newLab(t)
	a, b, c := l.phone("101"), l.phone("102"), l.phone("102")
	b.register()
	c.register()
	d := a.invite("102", a.offer())
	inB, inC := b.expect("INVITE"), c.expect("INVITE")
	b.answer(inB, 200, "bt", b.offer())
	c.answer(inC, 200, "ct", c.offer())
	ok := a.expect("200")
	b.expect("ACK")
	c.expect("ACK")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	var byes int
	for _, p := range []*phone{b, c} {
		if m := p.read(300 * time.Millisecond); m != nil && begins(m, "BYE") {
			p.answer(m, 200, "", "")
			byes++
		}
	}
	if byes != 1 {
		t.Errorf("%d devices were let go, want 1", byes)
	}
	a.send("BYE", target(ok), d.next(), "")
	a.expect("200")
}

// One device forks downstream: the second answer is acknowledged and let go.
func TestForkedAnswers(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	for i := range 15 { // more provisional answers than some stacks bear
		b.answer(in, 180, fmt.Sprint("branch", i), "")
	}
	b.answer(in, 200, "one", b.offer())
	b.expect("ACK")
	b.answer(in, 200, "two", b.offer())
	ack := b.expect("ACK")
	bye := b.expect("BYE")
	if tagOf(ack) != "two" || tagOf(bye) != "two" {
		t.Errorf("let go %s and %s, want two", tagOf(ack), tagOf(bye))
	}
	b.answer(bye, 200, "", "")
	ok := a.expect("200")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	a.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

func TestEarlyMediaThenAnotherCodec(t *testing.T) {
	l := newLab(t)
	a, b, c := l.phone("101"), l.phone("102"), l.phone("102")
	b.register()
	c.register()
	d := a.invite("102", a.offer("0", "8"))
	inB, inC := b.expect("INVITE"), c.expect("INVITE")
	b.answer(inB, 183, "bt", b.offer("0"))
	early := a.expect("183")
	if !strings.Contains(string(early.Body()), "RTP/AVP 0") {
		t.Fatalf("early answer:\n%s", early.Body())
	}
	c.answer(inC, 200, "ct", c.offer("8"))
	ok := a.expect("200")
	if string(ok.Body()) == "" || !strings.Contains(string(ok.Body()), "RTP/AVP 0") {
		t.Errorf("the 200 must repeat the early answer:\n%s", ok.Body())
	}
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	re := a.expect("INVITE")
	if !strings.Contains(string(re.Body()), "RTP/AVP 8") {
		t.Errorf("re-offered:\n%s", re.Body())
	}
	a.answer(re, 200, d.from, a.offer("8"))
	a.expect("ACK")
	a.send("BYE", target(ok), d.next(), "")
	c.expect("ACK")
	c.answer(c.expect("BYE"), 200, "", "")
	a.expect("200")
	if rec := l.last(1); rec.Legs[0].Codec != "pcma" || !strings.Contains(rec.Legs[0].CodecBy, "re-offered") {
		t.Errorf("leg %+v", rec.Legs[0])
	}
}

func TestHoldIsAnsweredHere(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	ad, _, at, _ := talk(a, b)
	hold := ad.next()
	a.send("INVITE", at, hold, a.offer()+"a=sendonly\r\n")
	ok := a.expect("200")
	if !strings.Contains(string(ok.Body()), "a=recvonly") {
		t.Errorf("hold answered:\n%s", ok.Body())
	}
	a.send("ACK", at, hold, "")
	if m := b.read(100 * time.Millisecond); m != nil {
		t.Errorf("the held side is troubled:\n%s", m)
	}
	resume := hold.next()
	a.send("INVITE", at, resume, a.offer())
	ok = a.expect("200")
	if !strings.Contains(string(ok.Body()), "a=sendrecv") {
		t.Errorf("resume answered:\n%s", ok.Body())
	}
	a.send("ACK", at, resume, "")
	gone := resume.next()
	a.send("INVITE", at, gone, a.offer("18"))
	res := a.expect("488")
	a.send("ACK", at, dlg{gone.callID, gone.from, gone.to, viaBranch(res), gone.seq}, "")
	a.send("BYE", at, gone.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

func TestReinviteWithoutOffer(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	ad, _, at, _ := talk(a, b)
	re := ad.next()
	a.send("INVITE", at, re, "")
	ok := a.expect("200")
	if !strings.Contains(string(ok.Body()), "m=audio") {
		t.Errorf("no offer in\n%s", ok)
	}
	a.send("ACK", at, re, a.offer())
	a.send("BYE", at, re.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// Glare: our re-INVITE is out when the party's comes.
func TestGlare(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer(), "Supported: timer", "Session-Expires: 90;refresher=uas")
	in := b.expect("INVITE")
	b.answer(in, 200, "bt", b.offer())
	ok := a.expect("200")
	b.expect("ACK")
	if v := header(ok, "Session-Expires"); v != "90;refresher=uas" {
		t.Errorf("Session-Expires: %s", v)
	}
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	leg := l.standingLeg(tagOf(ok))
	for leg.refresh(); ; { // what the timer does after 45 s
		if m := a.read(time.Second); m != nil && begins(m, "INVITE") {
			ours := d.next()
			a.send("INVITE", target(ok), ours, a.offer())
			res := a.expect("491")
			a.send("ACK", target(ok), dlg{ours.callID, ours.from, ours.to, viaBranch(res), ours.seq}, "")
			a.answer(m, 491, d.from, "")
			a.expect("ACK")
			break
		}
	}
	again := a.expect("INVITE") // within 2 s, since the caller made the Call-ID
	a.answer(again, 200, d.from, a.offer())
	a.expect("ACK")
	d.seq = 10
	a.send("BYE", target(ok), d, "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

func TestDigitsByInfoStayInOrder(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	ad, _, at, _ := talk(a, b) // neither offered telephone-event
	const digits = "0123456789*#ABCD"
	for i, digit := range digits {
		d := ad
		d.seq = ad.seq + 1 + i
		a.send("INFO", at, d, fmt.Sprintf("Signal=%c\r\nDuration=100\r\n", digit), "Content-Type: application/dtmf-relay")
	}
	for range digits {
		a.expect("200")
	}
	var got strings.Builder
	for range digits {
		info := b.expect("INFO")
		_, rest, _ := strings.Cut(string(info.Body()), "Signal=")
		got.WriteByte(rest[0])
		b.answer(info, 200, "", "")
	}
	if got.String() != digits {
		t.Errorf("digits %q arrived as %q", digits, got.String())
	}
}

func TestOutOfOrderAndForged(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	ad, _, at, _ := talk(a, b)
	old := ad
	old.seq = 1
	a.send("INFO", at, old, "")
	a.expect("500")
	for _, forged := range []dlg{
		{ad.callID, "other", ad.to, "", 9}, {"other", ad.from, ad.to, "", 9}, {ad.callID, ad.from, "other", "", 9},
	} {
		a.send("BYE", at, forged, "")
		a.expect("481")
	}
	if now, _ := l.calls.Counts(); now != 1 {
		t.Fatal("a forged BYE ended the call")
	}
	a.send("BYE", at, ad.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

func TestLoops(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer(), "Max-Forwards: 0")
	res := a.expect("483")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")

	d = a.invite("102", a.offer())
	in := b.expect("INVITE")
	if v := header(in, "Max-Forwards"); v != "69" {
		t.Errorf("Max-Forwards %s, want 69", v)
	}
	// The same call by another way: merged, RFC 3261 8.2.2.2. It is asked for
	// credentials first, as anything is.
	other := dlg{d.callID, d.from, "", "", 2}
	a.send("INVITE", "sip:102@tincan", other, a.offer())
	c := a.expect("401")
	other.branch = "z9hG4bKmerged"
	a.send("INVITE", "sip:102@tincan", other, a.offer(), a.auth(c, "INVITE", "sip:102@tincan", "pw101", 1, "MD5"))
	a.expect("482")
	// Our own call come back.
	own := dlg{string(*in.CallID()), "x", "", "", 1}
	a.send("INVITE", "sip:102@tincan", own, a.offer())
	c = a.expect("401")
	own.seq = 2
	a.send("INVITE", "sip:102@tincan", own, a.offer(), a.auth(c, "INVITE", "sip:102@tincan", "pw101", 1, "MD5"))
	a.expect("482")
	b.answer(in, 486, "bt", "")
	a.expect("486")
}

// The callee's answer is lost: it is sent again until the ACK; without one the
// call ends.
func TestAnswerWithoutACK(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	a.invite("102", a.offer())
	in := b.expect("INVITE")
	b.answer(in, 200, "bt", b.offer())
	b.expect("ACK")
	a.expect("200")
	a.expect("200")
	b.answer(b.expect("BYE"), 200, "", "")
	a.answer(a.expect("BYE"), 200, "", "")
	if rec := l.last(1); rec.Cause == "normal" {
		t.Errorf("record %+v", rec)
	}
	l.idle()
}

func TestEcho(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	d := a.invite("*43", a.offer())
	ok := a.expect("200")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	a.send("BYE", target(ok), d.next(), "")
	a.expect("200")
	if rec := l.last(1); rec.To != "app:echo" || rec.Cause != "normal" {
		t.Errorf("record %+v", rec)
	}
	l.idle()
}

func TestStrangersAndOptions(t *testing.T) {
	l := newLab(t)
	s := l.phone("666")
	d := dlg{callID: "x", from: "y", seq: 1}
	s.send("OPTIONS", "sip:tincan", d, "")
	if ok := s.expect("200"); !strings.Contains(header(ok, "Allow"), "INVITE") {
		t.Error(ok)
	}
	for method, code := range map[string]string{
		"INVITE": "401", "REGISTER": "401", "BYE": "481", "INFO": "481", "SUBSCRIBE": "401", "MESSAGE": "401", "FROB": "501",
	} {
		d.seq++
		s.send(method, "sip:101@tincan", d, "")
		s.expect(code)
	}
	d.seq++
	s.send("INVITE", "sip:101@tincan", d, "", "Require: 100rel, foo, bar")
	if res := s.expect("420"); header(res, "Unsupported") != "foo, bar" {
		t.Error(res)
	}
	l.idle()
}

// A trunk's calls need no digest; what it cannot do is refused.
func TestTrunkByAddress(t *testing.T) {
	l := newLab(t)
	peer := l.phoneAt("555", "127.0.0.2")
	b := l.phone("102")
	b.register()
	d := dlg{callID: "t1", from: "f", seq: 1, branch: "z9hG4bKt1"}
	peer.send("INVITE", "sip:102@tincan", d, peer.offer())
	in := b.expect("INVITE")
	if in.From().Address.User != "555" {
		t.Errorf("From %s", in.From().Value())
	}
	b.answer(in, 200, "bt", b.offer())
	ok := peer.expect("200")
	b.expect("ACK")
	d = d.within(ok)
	peer.send("ACK", target(ok), d, "")
	peer.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	peer.expect("200")
	if rec := l.last(1); rec.From != "trunk:out" {
		t.Errorf("record %+v", rec)
	}
	bad := dlg{callID: "t2", from: "f", seq: 1}
	peer.send("INVITE", "sip:102@tincan", bad, "no sdp at all")
	peer.expect("400")
	bad = dlg{callID: "t3", from: "f", seq: 1}
	peer.send("INVITE", "sip:102@tincan", bad, "x", "Content-Type: text/plain")
	peer.expect("415")
}

// IPv6 from end to end: addresses in Via, Contact and SDP are of its kind.
func TestIPv6(t *testing.T) {
	l := openLab(t, t.TempDir(), "[::1]:0")
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	text := in.String()
	if !strings.Contains(text, "SIP/2.0/UDP [::1]:") || !strings.Contains(text, "@[::1]:"+fmt.Sprint(l.udp.Port())+">") || !strings.Contains(text, "c=IN IP6 ::1") {
		t.Errorf("offered:\n%s", in)
	}
	b.answer(in, 200, "bt", b.offer())
	b.expect("ACK")
	ok := a.expect("200")
	if !strings.Contains(string(ok.Body()), "c=IN IP6 ::1") {
		t.Errorf("answered:\n%s", ok)
	}
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	a.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// A 200 without description after a 183 with one: the early answer stands.
func TestAnswerThatCameEarlyOnly(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	b.answer(in, 183, "bt", b.offer("8"))
	early := a.expect("183")
	b.answer(in, 200, "bt", "")
	b.expect("ACK")
	ok := a.expect("200")
	if string(ok.Body()) != string(early.Body()) {
		t.Errorf("early:\n%s\nthen:\n%s", early.Body(), ok.Body())
	}
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	a.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

func TestDigitForms(t *testing.T) {
	for _, c := range []struct {
		kind, body string
		want       rune
	}{
		{"application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", '5'},
		{"application/dtmf-relay", "Signal= 10\r\nDuration= 250\r\n", '*'},
		{"application/dtmf", "#", '#'},
		{"application/dtmf", "Signal=7", '7'},
		{"application/dtmf", "d\r\n", 'D'},
		{"application/dtmf-relay", "5", '5'},
		{"text/plain", "5", 0},
		{"application/dtmf", "12", 0},
	} {
		if d, ok := digitFrom(c.kind, c.body); ok != (c.want != 0) || ok && d.Rune != c.want {
			t.Errorf("%s %q: %c, %v", c.kind, c.body, d.Rune, ok)
		}
	}
}
