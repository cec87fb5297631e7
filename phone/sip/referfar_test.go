package sip

import (
	"strings"
	"testing"

	"tincan/phone/sip/transaction"
)

// gruusOf registers a device and gives the addresses that it is told.
func (p *phone) gruusOf(t *testing.T, instance string) (public, temporary string) {
	t.Helper()
	for _, c := range contacts(p.register(p.instanceOf(instance, ""), "Supported: gruu")) {
		if !strings.Contains(c, "uuid:"+instance) {
			continue
		}
		read := func(name string) string {
			_, rest, _ := strings.Cut(c, name+"=\"")
			address, _, _ := strings.Cut(rest, "\"")
			return address
		}
		return read("pub-gruu"), read("temp-gruu")
	}
	t.Fatal("it is told nothing")
	return "", ""
}

// trunkCall calls an extension from the trunk "out", which answers.
func (l *lab) trunkCall(to *phone) (far *phone, fd, td dlg, farTarget, target1 string) {
	l.t.Helper()
	far = l.phoneAt("999", "127.0.0.2")
	fd = dlg{callID: transaction.Token(), from: "far", seq: 1}
	far.send("INVITE", "sip:"+to.number+"@"+l.udp.String(), fd, far.offer())
	in := to.expect("INVITE")
	to.answer(in, 200, "tt", to.offer())
	to.expect("ACK")
	ok := far.expect("200")
	fd = fd.within(ok)
	far.send("ACK", target(ok), fd, "")
	from, _ := in.From().Params.Get("tag")
	return far, fd, dlg{callID: string(*in.CallID()), from: "tt", to: from, seq: 1}, target(ok), target(in)
}

// Who is referred to one device of two reaches that one alone: by a phone, and by
// another system over a trunk.
func TestReferToOneDevice(t *testing.T) {
	for _, by := range []string{"phone", "trunk"} {
		for _, kind := range []string{"public", "temporary"} {
			l := newLab(t)
			l.setCodecs("103", "pcmu", "pcma")
			a, b, one, two := l.phone("101"), l.phone("102"), l.phone("103"), l.phone("103")
			b.register()
			two.gruusOf(t, "two")
			address, temporary := one.gruusOf(t, "one")
			if kind == "temporary" {
				address = temporary
			}
			who, d, uri := a, dlg{}, ""
			if by == "phone" {
				d, _, uri, _ = talk(a, b)
			} else {
				who, d, _, uri, _ = l.trunkCall(b)
			}
			who.send("REFER", uri, d.next(), "", "Refer-To: <"+address+">")
			who.expect("202")
			in := one.expect("INVITE")
			one.answer(in, 486, "busy", "")
			one.expect("ACK")
			two.silent()
		}
	}
}

// A phone refers a trunk's party to a device of that trunk's system: it is asked to
// see to it, and what it says goes back.
func TestReferToADeviceOfTheFarSystem(t *testing.T) {
	l := newLab(t)
	b := l.phone("102")
	b.register()
	far, fd, bd, bye, uri := l.trunkCall(b)
	address := "sip:55@" + far.addr().String() + ";gr=urn:uuid:theirs"
	b.send("REFER", uri, bd, "", "Refer-To: <"+address+">")
	b.expect("202")
	if got := b.progress(); got != "SIP/2.0 100 Trying" {
		t.Errorf("first told %q", got)
	}
	refer := far.expect("REFER")
	if got := header(refer, "Refer-To"); got != "<"+address+">" {
		t.Errorf("passed on as %s", got)
	}
	far.answer(refer, 202, "", "")
	for i, line := range []string{"SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"} {
		fd = fd.next()
		far.send("NOTIFY", bye, fd, line, "Event: refer", "Subscription-State: active", "Content-Type: message/sipfrag")
		far.expect("200")
		if i > 0 {
			if got := b.progress(); got != line {
				t.Errorf("told %q, want %q", got, line)
			}
		}
	}
	fd = fd.next()
	far.send("NOTIFY", bye, fd, "SIP/2.0 200 OK", "Event: refer", "Subscription-State: terminated", "Content-Type: message/sipfrag")
	far.expect("481") // there is no more to be told
	far.send("BYE", bye, fd.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	far.expect("200")
	l.idle()
}

// The far system refuses, or the address is of a third one: the two go on.
func TestReferToADeviceThatFails(t *testing.T) {
	l := newLab(t)
	b := l.phone("102")
	b.register()
	far, _, bd, _, uri := l.trunkCall(b)
	b.send("REFER", uri, bd, "", "Refer-To: <sip:55@"+far.addr().String()+";gr=urn:uuid:theirs>")
	b.expect("202")
	b.progress()
	far.answer(far.expect("REFER"), 403, "", "")
	if got := b.progress(); got != "SIP/2.0 403 Forbidden" {
		t.Errorf("told %q", got)
	}
	b.send("REFER", uri, bd.next(), "", "Refer-To: <sip:102@192.0.2.99;gr=urn:uuid:third>")
	b.expect("202")
	b.progress()
	if got := b.progress(); got != "SIP/2.0 480 Temporarily Unavailable" {
		t.Errorf("told %q", got)
	}
	far.silent()
}

func TestFragmentStatus(t *testing.T) {
	for text, want := range map[string]int{
		"SIP/2.0 200 OK\r\n": 200, "SIP/2.0 603": 603, "SIP/2.0 100 Trying\r\nX: y": 100,
		"": 0, "SIP/2.0": 0, "SIP/2.0 99": 0, "SIP/2.0 7000 x": 0, "BYE 200 OK": 0, strings.Repeat(" ", 999) + "SIP/2.0 200 OK": 0,
	} {
		if got, ok := fragmentStatus([]byte(text)); got != want && (ok || want != 0) {
			t.Errorf("%q: %d %v", text, got, ok)
		}
	}
}
