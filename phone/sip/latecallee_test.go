package sip

import (
	"strings"
	"testing"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/media/secure"
)

// lately is a lab in which 102 makes the offer when it is called.
func lately(t *testing.T) (l *lab, a, b *phone) {
	t.Helper()
	l = newLab(t)
	l.change("102", func(f *directory.ExtensionForm) { f.Offer = directory.OfferLate })
	a, b = l.phone("101"), l.phone("102")
	b.register()
	return l, a, b
}

// bareInvite fails the test if an INVITE has an offer.
func bareInvite(t *testing.T, in wire.Message) wire.Message {
	t.Helper()
	if len(in.Body()) > 0 || header(in, "Content-Type") != "" {
		t.Errorf("the INVITE has an offer:\n%s", in)
	}
	return in
}

// over ends a call of a, which began the dialog with ok, and hears that b knows.
func (l *lab) over(a, b *phone, d dlg, ok wire.Message) {
	l.t.Helper()
	a.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// The called party offers in its 200: the ACK answers with the codec that it likes
// best of the caller's, and both hear each other. A 200 that comes again is
// answered the same.
func TestCalleeOffersInItsAnswer(t *testing.T) {
	l, a, b := lately(t)
	as, bs := a.socket(), b.socket()
	d := a.invite("102", a.offer("0", "8", "101")+"a=rtpmap:101 telephone-event/8000\r\n")
	in := bareInvite(t, b.expect("INVITE"))
	b.answer(in, 183, "bt", b.offer("8")) // may be lost: no offer
	if early := a.expect("183"); len(early.Body()) > 0 {
		t.Error("early media of an offer that is none")
	}
	b.answer(in, 200, "bt", b.offer("9", "8", "0", "97")+"a=rtpmap:97 telephone-event/8000\r\n")
	ack := b.expect("ACK")
	if st := soundOf(t, ack); len(st.Formats) != 2 || st.Formats[0].Name != "pcma" || st.Formats[1].PT != 97 {
		t.Errorf("answered\n%s", ack.Body())
	}
	ok := a.expect("200")
	if st := soundOf(t, ok); st.Formats[0].Name != "pcma" {
		t.Errorf("the caller is answered\n%s", ok.Body())
	}
	b.answer(in, 200, "bt", b.offer("9", "8", "0", "97")+"a=rtpmap:97 telephone-event/8000\r\n")
	if again := b.expect("ACK"); string(again.Body()) != string(ack.Body()) {
		t.Errorf("the second ACK has\n%s", again.Body())
	}
	a.send("ACK", target(ok), d.within(ok), "")
	hears(t, as, string(ok.Body()), bs)
	hears(t, bs, string(ack.Body()), as)
	l.over(a, b, d.within(ok), ok)
}

// The called party offers early, reliably: the PRACK answers, the caller hears it
// before it answers, and its 200 needs no more.
func TestCalleeOffersEarly(t *testing.T) {
	l, a, b := lately(t)
	as, bs := a.socket(), b.socket()
	d := a.invite("102", a.offer("0", "8"))
	in := bareInvite(t, b.expect("INVITE"))
	b.answer(in, 183, "bt", b.offer("8"), "Require: 100rel", "RSeq: 7")
	prack := b.expect("PRACK")
	if header(prack, "RAck") != "7 1 INVITE" || soundOf(t, prack).Formats[0].Name != "pcma" {
		t.Errorf("PRACK\n%s", prack)
	}
	b.answer(prack, 200, "", "")
	early := a.expect("183")
	hears(t, bs, string(prack.Body()), as)
	b.answer(in, 200, "bt", "")
	if ack := b.expect("ACK"); len(ack.Body()) > 0 {
		t.Errorf("an answer to nothing:\n%s", ack)
	}
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	hears(t, as, string(early.Body()), bs)
	l.over(a, b, d.within(ok), ok)
}

// What the called party offers the caller lacks: it is made here.
func TestCalleeOffersWhatTheCallerLacks(t *testing.T) {
	l, a, b := lately(t)
	d := a.invite("102", a.offer("0"))
	b.answer(bareInvite(t, b.expect("INVITE")), 200, "bt", b.offer("9"))
	if ack := b.expect("ACK"); soundOf(t, ack).Formats[0].Name != "g722" {
		t.Errorf("answered\n%s", ack.Body())
	}
	ok := a.expect("200")
	if soundOf(t, ok).Formats[0].Name != "pcmu" {
		t.Errorf("the caller is answered\n%s", ok.Body())
	}
	a.send("ACK", target(ok), d.within(ok), "")
	l.over(a, b, d.within(ok), ok)
	if rec := l.last(1); rec.Legs[1].Codec != "g722" || !strings.Contains(rec.Legs[1].CodecBy, "the server makes it") {
		t.Errorf("recorded %+v", rec.Legs[1])
	}
}

// Neither side makes an offer at first.
func TestNeitherOffers(t *testing.T) {
	l, a, b := lately(t)
	d := a.invite("102", "")
	b.answer(bareInvite(t, b.expect("INVITE")), 200, "bt", b.offer("0", "8"))
	if ack := b.expect("ACK"); soundOf(t, ack).Formats[0].Name != "pcmu" {
		t.Errorf("answered\n%s", ack.Body())
	}
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), a.offer("0"))
	l.over(a, b, d.within(ok), ok)
}

// The called party offers its camera before its sound: lines are matched by kind.
func TestCalleeOffersInAnotherOrder(t *testing.T) {
	l, a, b := lately(t)
	as, bs := a.socket(), b.socket()
	d := a.invite("102", a.offer("8"))
	sound := b.offer("8")
	at := strings.Index(sound, "m=audio")
	b.answer(b.expect("INVITE"), 200, "bt", sound[:at]+"m=video 4000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"+sound[at:])
	ack := b.expect("ACK")
	if text := string(ack.Body()); !strings.Contains(text, "m=video 0 ") || strings.Index(text, "m=video") > strings.Index(text, "m=audio") {
		t.Errorf("answered\n%s", text)
	}
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	hears(t, as, string(ok.Body()), bs)
	hears(t, bs, string(ack.Body()), as)
	l.over(a, b, d.within(ok), ok)
}

// An offer that nothing can be done with is refused in the ACK.
func TestCalleesOfferIsRefused(t *testing.T) {
	for name, body := range map[string]string{"foreign": "96", "": ""} {
		l, a, b := lately(t)
		d := a.invite("102", a.offer("0"))
		offer := ""
		if name != "" {
			offer = b.offer(body) + "a=rtpmap:96 unheard-of/8000\r\n"
		}
		b.answer(b.expect("INVITE"), 200, "bt", offer)
		if ack := b.expect("ACK"); offer != "" && !strings.Contains(string(ack.Body()), "m=audio 0 ") {
			t.Errorf("%s: answered\n%s", name, ack.Body())
		}
		b.answer(b.expect("BYE"), 200, "", "")
		res := a.expect(map[string]string{"foreign": "488", "": "500"}[name])
		a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
		l.idle()
	}
}

// The caller was gone when the offer came.
func TestCalleeOffersTooLate(t *testing.T) {
	l, a, b := lately(t)
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	b.answer(in, 180, "bt", "")
	a.expect("180")
	a.send("CANCEL", "sip:102@tincan", dlg{d.callID, d.from, "", d.branch, 2}, "")
	a.expect("200")
	cancel := b.expect("CANCEL")
	b.answer(in, 200, "bt", b.offer())
	b.answer(cancel, 200, "bt", "")
	if ack := b.expect("ACK"); !strings.Contains(string(ack.Body()), "m=audio 0 ") {
		t.Errorf("answered\n%s", ack.Body())
	}
	b.answer(b.expect("BYE"), 200, "", "")
	res := a.expect("487")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	l.idle()
}

// Two phones behind one offer: the first alone before it answers.
func TestTwoBranchesOffer(t *testing.T) {
	_, a, b := lately(t)
	d := a.invite("102", a.offer("0", "8"))
	in := b.expect("INVITE")
	b.answer(in, 183, "one", b.offer("8"), "Require: 100rel", "RSeq: 7")
	b.answer(b.expect("PRACK"), 200, "", "")
	a.expect("183")
	b.answer(in, 183, "two", b.offer("0"), "Require: 100rel", "RSeq: 9")
	b.answer(in, 200, "two", b.offer("0"))
	if ack := b.expect("ACK"); soundOf(t, ack).Formats[0].Name != "pcmu" {
		t.Errorf("answered\n%s", ack.Body())
	}
	ok := a.expect("200")
	b.answer(in, 200, "one", "")
	b.expect("ACK")
	b.answer(b.expect("BYE"), 200, "", "")
	a.send("ACK", target(ok), d.within(ok), "")
	for _, m := range b.inbox {
		if begins(m, "PRACK") {
			t.Errorf("the second branch's offer is acknowledged:\n%s", m)
		}
	}
	a.send("BYE", target(ok), d.within(ok).next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
}

// Encryption is the party's to offer then.
func TestCalleeOffersEncryption(t *testing.T) {
	l, a, b := lately(t)
	l.encrypt("102", directory.EncryptionRequired)
	d := a.invite("102", a.offer("0"))
	b.answer(b.expect("INVITE"), 200, "bt", b.offer("0"))
	if ack := b.expect("ACK"); !strings.Contains(string(ack.Body()), "m=audio 0 ") {
		t.Errorf("answered in the clear:\n%s", ack.Body())
	}
	b.answer(b.expect("BYE"), 200, "", "")
	res := a.expect("488")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")

	d = a.invite("102", a.offer("0"))
	b.answer(b.expect("INVITE"), 200, "bt", securedBody(b.offer("0"), secure.Offer()[0]))
	if ack := b.expect("ACK"); soundOf(t, ack).Proto != "RTP/SAVP" || len(soundOf(t, ack).Crypto) != 1 {
		t.Errorf("answered\n%s", ack.Body())
	}
	ok := a.expect("200")
	if got := l.encryption(); got[0] != "" || !strings.HasPrefix(got[1], "SDES") {
		t.Errorf("encrypted %q", got)
	}
	a.send("ACK", target(ok), d.within(ok), "")
	l.over(a, b, d.within(ok), ok)
}
