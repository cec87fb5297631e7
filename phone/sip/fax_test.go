package sip

import (
	"fmt"
	"strings"
	"testing"

	"tincan/phone/media"
)

// A fax begins as sound; the called side changes to T.38 and, at the end, back. A
// side that does not take it leaves the sound as it was.
func TestFaxWithinACall(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	as, bs := a.socket(), b.socket()
	ad, bd, at, bt, heardAt := talking(a, b)
	b.send("INVITE", bt, bd, fax(b))
	re := a.expect("INVITE")
	if body := string(re.Body()); !strings.Contains(body, "udptl t38") || !strings.Contains(body, "a=T38FaxRateManagement:transferredTCF") {
		t.Fatalf("the caller is offered\n%s", body)
	}
	a.answer(re, 488, tagOf(re), "") // not this time
	a.expect("ACK")
	refused := b.expect("488")
	b.send("ACK", bt, dlg{bd.callID, bd.from, tagOf(refused), viaBranch(refused), 1}, "")
	hears(t, as, heardAt, bs)

	bd = bd.next()
	b.send("INVITE", bt, bd, fax(b))
	re = a.expect("INVITE")
	a.answer(re, 200, tagOf(re), fax(a))
	a.expect("ACK")
	ok := b.expect("200")
	b.send("ACK", bt, bd, "")
	passes(t, as, string(re.Body()), bs)
	passes(t, bs, string(ok.Body()), as)

	bd = bd.next()
	b.send("INVITE", bt, bd, b.offer("8"))
	re = a.expect("INVITE")
	a.answer(re, 200, tagOf(re), a.offer("8"))
	a.expect("ACK")
	ok = b.expect("200")
	b.send("ACK", bt, bd, "")
	hears(t, as, string(re.Body()), bs)
	hears(t, bs, string(ok.Body()), as)
	a.send("BYE", at, ad.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// fax is an offer of T.38 in place of sound.
func fax(p *phone) string {
	return strings.Replace(p.offer(), "m=audio "+fmt.Sprint(p.rtp)+" RTP/AVP 0 8",
		"m=image "+fmt.Sprint(p.rtp)+" udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxRateManagement:transferredTCF", 1)
}

// The called side changes to T.38 at once, before the call is written and the
// caller has its answer: the wish waits for that.
func TestFaxBeforeTheCallStands(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	l.deaf.Store(true)
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	b.answer(in, 200, "bt", b.offer())
	b.expect("ACK")
	from, _ := in.From().Params.Get("tag")
	bd := dlg{callID: string(*in.CallID()), from: "bt", to: from, seq: 1}
	b.send("INVITE", target(in), bd, fax(b))
	called := l.sip.leg(from)
	l.eventually(func() bool {
		called.mu.Lock()
		defer called.mu.Unlock()
		return called.invite != nil
	})
	called.Prepare(media.Description{}) // as the call does once it stands, before it has read the wish
	if able := called.Able(); able.Stream(media.Image) != nil {
		t.Errorf("the wish is taken for what was agreed: %+v", able)
	}
	ok := a.expect("200") // the store took too long
	d = d.within(ok)
	l.deaf.Store(false)
	a.send("ACK", target(ok), d, "")
	re := a.expect("INVITE")
	if body := string(re.Body()); !strings.Contains(body, "udptl t38") {
		t.Fatalf("the caller is offered\n%s", body)
	}
	a.answer(re, 200, tagOf(re), fax(a))
	a.expect("ACK")
	if body := string(b.expect("200").Body()); !strings.Contains(body, "m=image ") || strings.Contains(body, "m=image 0 ") {
		t.Errorf("answered with\n%s", body)
	}
	b.send("ACK", target(in), bd, "")
	a.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}
