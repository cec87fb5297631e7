package sip

import (
	"strings"
	"testing"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/sip/transaction"
)

// progress waits for a NOTIFY about a REFER, answers it and gives its first line.
func (p *phone) progress() string {
	p.t.Helper()
	n := p.expect("NOTIFY")
	if e := header(n, "Event"); !strings.HasPrefix(e, "refer") {
		p.t.Fatalf("a NOTIFY about %q", e)
	}
	p.answer(n, 200, "", "")
	return strings.TrimSpace(string(n.Body()))
}

// hearing tells a phone's media apart in descriptions.
func (p *phone) at(rtp int) *phone { p.rtp = rtp; return p }

// a calls b and refers it to c, who answers: b and c talk, a is let go.
func TestBlindTransfer(t *testing.T) {
	for name, who := range map[string]struct{ callee, hangsUp bool }{
		"by the caller":                       {false, false},
		"by the callee":                       {true, false},
		"by a caller that hangs up meanwhile": {false, true},
	} {
		l := newLab(t)
		l.route("200", "extension:103")
		l.setCodecs("103", "pcma") // so that the referred party must be offered another
		a, b, c := l.phone("101").at(40000), l.phone("102").at(40002), l.phone("103").at(40004)
		b.register()
		c.register()
		ad, bd, at, bt := talk(a, b)
		by, d, uri, other := a, ad.next(), at, b
		if who.callee {
			by, d, uri, other = b, bd, bt, a
		}
		by.send("REFER", uri, d, "", "Refer-To: <sip:200@tincan>")
		by.expect("202")
		if got := by.progress(); got != "SIP/2.0 100 Trying" {
			t.Errorf("%s: first told %q", name, got)
		}
		in := c.expect("INVITE")
		if from := in.From().Address.User; from != other.number {
			t.Errorf("%s: the new party sees a call from %s", name, from)
		}
		if h := header(in, "Referred-By"); !strings.Contains(h, "sip:"+by.number+"@") {
			t.Errorf("%s: Referred-By %q", name, h)
		}
		c.answer(in, 180, "ct", "")
		if got := by.progress(); got != "SIP/2.0 180 Ringing" {
			t.Errorf("%s: then told %q", name, got)
		}
		if who.hangsUp {
			by.send("BYE", uri, d.next(), "")
			by.expect("200")
		}
		c.answer(in, 200, "ct", c.offer("8"))
		c.expect("ACK")
		if !who.hangsUp {
			if got := by.progress(); got != "SIP/2.0 200 OK" {
				t.Errorf("%s: at last told %q", name, got)
			}
			by.answer(by.expect("BYE"), 200, "", "")
		}
		re := other.expect("INVITE")
		if body := string(re.Body()); !strings.Contains(body, " 8") || strings.Contains(body, "PCMU") {
			t.Errorf("%s: the referred party is offered\n%s", name, body)
		}
		other.answer(re, 200, tagOf(re), other.offer("8"))
		other.expect("ACK")
		from, _ := in.From().Params.Get("tag")
		c.send("BYE", target(in), dlg{callID: string(*in.CallID()), from: "ct", to: from, seq: 1}, "")
		other.answer(other.expect("BYE"), 200, "", "")
		c.expect("200")
		l.last(2)
		l.idle()
	}
}

// Who is referred to does not answer: the two go on as they were.
func TestBlindTransferThatFails(t *testing.T) {
	l := newLab(t)
	l.setCodecs("103", "pcmu", "pcma")
	a, b, c := l.phone("101"), l.phone("102"), l.phone("103")
	b.register()
	as, bs := a.socket(), b.socket()
	ad, _, at, _, answer := talking(a, b)
	for _, w := range []struct{ to, last string }{
		{"sip:nobody@tincan", "SIP/2.0 404 Not Found"},
		{"sip:103@tincan", "SIP/2.0 480 Temporarily Unavailable"},
	} {
		ad = ad.next()
		a.send("REFER", at, ad, "", "Refer-To: <"+w.to+">")
		a.expect("202")
		a.progress()
		if got := a.progress(); got != w.last {
			t.Errorf("to %s: told %q, want %q", w.to, got, w.last)
		}
		hears(t, as, answer, bs)
	}
	c.register()
	ad = ad.next()
	a.send("REFER", at, ad, "", "Refer-To: <sip:103@tincan>")
	a.expect("202")
	a.progress()
	c.answer(c.expect("INVITE"), 486, "ct", "")
	if got := a.progress(); got != "SIP/2.0 486 Busy Here" {
		t.Errorf("told %q", got)
	}
	c.expect("ACK")
	ad = ad.next()
	a.send("REFER", at, ad, "", "Refer-To: <sip:nobody@tincan>", "Refer-Sub: false") // RFC 4488
	if res := a.expect("202"); header(res, "Refer-Sub") != "false" {
		t.Error("who wants no news is not told that there will be none")
	}
	l.sip.Reconfigure(Settings{Domain: "tincan.example"})
	ad = ad.next()
	a.send("REFER", at, ad, "", "Refer-To: <sip:103@elsewhere.example>")
	a.expect("403")
	for _, m := range a.inbox {
		t.Errorf("101 is told %s", m)
	}
	ad = ad.next()
	a.send("BYE", at, ad, "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// a, who talks with b, asks c and hands b over; c is answered already, or rings.
func TestAttendedTransfer(t *testing.T) {
	for name, answered := range map[string]bool{"attended": true, "while it rings": false} {
		l := newLab(t)
		l.setCodecs("103", "pcmu", "pcma")
		a, b, c := l.phone("101").at(40000), l.phone("102").at(40002), l.phone("103").at(40004)
		b.register()
		c.register()
		ad, _, at, _ := talk(a, b)
		d2 := a.invite("103", a.offer())
		in := c.expect("INVITE")
		c.answer(in, 180, "ct", "")
		ringing := a.expect("180")
		if answered {
			c.answer(in, 200, "ct", c.offer())
			ok := a.expect("200")
			c.expect("ACK")
			a.send("ACK", target(ok), d2.within(ok), "")
		}
		replaces := d2.callID + "%3Bto-tag%3D" + tagOf(ringing) + "%3Bfrom-tag%3D" + d2.from
		ad = ad.next()
		a.send("REFER", at, ad, "", "Refer-To: <sip:103@tincan?Replaces="+replaces+">")
		a.expect("202")
		if got := a.progress(); got != "SIP/2.0 100 Trying" {
			t.Errorf("%s: first told %q", name, got)
		}
		if got := a.progress(); got != "SIP/2.0 200 OK" {
			t.Errorf("%s: then told %q", name, got)
		}
		a.answer(a.expect("BYE"), 200, "", "") // of the call with b
		if answered {
			a.answer(a.expect("BYE"), 200, "", "") // of that with c
		} else {
			if got := a.expect("487"); got.CSeq().MethodName != "INVITE" {
				t.Errorf("the ringing call ends with %s", got)
			}
			a.send("ACK", "sip:103@tincan", dlg{d2.callID, d2.from, tagOf(ringing), d2.branch, 2}, "")
			c.answer(in, 200, "ct", c.offer())
			c.expect("ACK")
		}
		from, _ := in.From().Params.Get("tag")
		c.send("BYE", target(in), dlg{callID: string(*in.CallID()), from: "ct", to: from, seq: 1}, "")
		b.answer(b.expect("BYE"), 200, "", "")
		c.expect("200")
		l.last(2)
		l.idle()
	}
}

// A phone takes over a call: one that rings, as who sees its lamp does, or one
// that stands.
func TestPickUp(t *testing.T) {
	for name, stands := range map[string]bool{"that rings": false, "that stands": true} {
		l := newLab(t)
		l.setCodecs("103", "pcmu", "pcma")
		a, b, c := l.phone("101").at(40000), l.phone("102").at(40002), l.phone("103").at(40004)
		b.register()
		d := a.invite("102", a.offer())
		in := b.expect("INVITE")
		b.answer(in, 180, "bt", "")
		a.expect("180")
		ours, _ := in.From().Params.Get("tag")
		if stands {
			b.answer(in, 200, "bt", b.offer())
			d = d.within(a.expect("200"))
			b.expect("ACK")
		}
		cd := c.invite("102", c.offer("8", "0"), "Replaces: "+string(*in.CallID())+";to-tag=bt;from-tag="+ours)
		ok := c.expect("200")
		c.send("ACK", target(ok), cd.within(ok), "")
		if !stands {
			cancel := b.expect("CANCEL")
			if r := header(cancel, "Reason"); !strings.Contains(r, "cause=200") {
				t.Errorf("%s: cancelled with Reason %q, so the phone shows a missed call", name, r)
			}
			b.answer(cancel, 200, "bt", "")
			b.answer(in, 487, "bt", "")
			b.expect("ACK")
			d = d.within(a.expect("200"))
		} else {
			b.answer(b.expect("BYE"), 200, "", "")
		}
		a.send("ACK", "sip:tincan", d, "")
		c.send("BYE", target(ok), cd.within(ok).next(), "")
		a.answer(a.expect("BYE"), 200, "", "")
		c.expect("200")
		rec := l.last(1)
		var parties []string
		for _, g := range rec.Legs {
			parties = append(parties, g.Party+" "+g.Cause)
		}
		if got := strings.Join(parties, ", "); !strings.Contains(got, "extension:103 normal") || len(rec.Legs) != 3 {
			t.Errorf("%s: recorded %s", name, got)
		}
		l.idle()
	}
}

// A store that hangs does not keep who takes a call over waiting.
func TestTakeOverWhileTheStoreHangs(t *testing.T) {
	l := newLab(t)
	l.setCodecs("103", "pcmu", "pcma")
	a, b, c := l.phone("101"), l.phone("102"), l.phone("103")
	b.register()
	ad, bd, at, _ := talk(a, b)
	l.deaf.Store(true)
	cd := c.invite("102", c.offer(), "Replaces: "+bd.callID+";to-tag=bt;from-tag="+bd.to)
	ok := c.expect("200")
	c.send("ACK", target(ok), cd.within(ok), "")
	b.answer(b.expect("BYE"), 200, "", "")
	l.deaf.Store(false)
	a.send("BYE", at, ad.next(), "")
	c.answer(c.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// Who is no phone of ours sends nobody into a call that is not its own.
func TestReferIntoAnothersCall(t *testing.T) {
	l := newLab(t)
	l.setCodecs("103", "pcmu", "pcma")
	a, b, c := l.phone("101"), l.phone("102"), l.phone("103")
	b.register()
	c.register()
	_, bd, _, _ := talk(a, b)
	carrier := l.phone("carrier")
	l.trunk(directory.TrunkForm{Name: "net", Address: carrier.addr().String(), Match: []string{carrier.addr().String()}})
	d := dlg{callID: "from-outside", from: "o", seq: 1, branch: transaction.Branch()}
	carrier.send("INVITE", "sip:103@tincan", d, carrier.offer())
	c.answer(c.expect("INVITE"), 200, "ct", c.offer())
	ok := carrier.expect("200")
	c.expect("ACK")
	d = d.within(ok)
	carrier.send("ACK", target(ok), d, "")
	carrier.send("REFER", target(ok), d.next(), "", "Refer-To: <sip:102@tincan?Replaces="+bd.callID+"%3Bto-tag%3D"+bd.to+"%3Bfrom-tag%3Dbt>")
	carrier.expect("202")
	if got := carrier.progress(); got != "SIP/2.0 100 Trying" {
		t.Errorf("first told %q", got)
	}
	if got := carrier.progress(); !strings.HasPrefix(got, "SIP/2.0 481 ") {
		t.Errorf("then told %q", got)
	}
	if len(a.inbox)+len(b.inbox) > 0 {
		t.Error("the other call is touched")
	}
}

func FuzzReplaces(f *testing.F) {
	f.Add("a@b;to-tag=1;from-tag=2;early-only")
	f.Add("x; From-Tag = 1;;to-tag=")
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := parseReplaces(text)
		if !ok {
			return
		}
		again := r.callID + ";to-tag=" + r.to + ";from-tag=" + r.from
		if r.early {
			again += ";early-only"
		}
		if same, ok := parseReplaces(again); !ok || same != r {
			t.Errorf("%q is read as %+v, and that as %+v", text, r, same)
		}
	})
}

func FuzzDiversions(f *testing.F) {
	f.Add(`"A, B" <sip:102@tincan;x=1>;reason=no-answer, <sip:103@tincan>;reason="user-busy"`)
	f.Fuzz(func(t *testing.T, text string) {
		req := wire.NewRequest(wire.INVITE, wire.Uri{Scheme: "sip", User: "1", Host: "h"})
		req.AppendHeader(wire.NewHeader("Diversion", text))
		req.AppendHeader(wire.NewHeader("History-Info", text))
		if n := len(diverted(req)); n > maxDiversions {
			t.Errorf("%d diversions of %q", n, text)
		}
		for _, d := range diversions(req) {
			if strings.ContainsAny(escape(d.Number)+token(d.Reason), " <>\"\r\n;") {
				t.Errorf("%+v ends the header that it is written into", d)
			}
		}
	})
}

// Replaces that names nothing, or is not understood.
func TestPickUpOfNothing(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	for value, code := range map[string]string{
		"x;to-tag=1;from-tag=2": "481",
		"x;to-tag=1":            "400",
	} {
		d := a.invite("102", a.offer(), "Replaces: "+value)
		res := a.expect(code)
		a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	}
	l.idle()
}

// A phone sends its call on; the next one sees by whom.
func TestRedirect(t *testing.T) {
	l := newLab(t)
	l.setCodecs("103", "pcmu", "pcma")
	a, b, c := l.phone("101"), l.phone("102"), l.phone("103")
	b.register()
	c.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	res := b.reply(in, 302, "bt", "Diversion: <sip:102@tincan>;reason=no-answer")
	res.ReplaceHeader(wire.NewHeader("Contact", "<sip:103@tincan>"))
	b.write(res.String())
	b.expect("ACK")
	to := c.expect("INVITE")
	if h := header(to, "Diversion"); !strings.Contains(h, "sip:102@") || !strings.Contains(h, "reason=no-answer") {
		t.Errorf("Diversion %q", h)
	}
	if n := len(to.GetHeaders("History-Info")); n != 2 {
		t.Errorf("%d entries of History-Info", n)
	}
	c.answer(to, 200, "ct", c.offer())
	c.expect("ACK")
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	a.send("BYE", target(ok), d.within(ok).next(), "")
	c.answer(c.expect("BYE"), 200, "", "")
	a.expect("200")
	if rec := l.last(1); len(rec.Legs) != 3 || rec.Cause != "normal" {
		t.Errorf("record %+v", rec)
	}
	l.idle()
}

// Two phones that send calls on to each other ring nobody for ever.
func TestRedirectsInCircles(t *testing.T) {
	l := newLab(t)
	l.setCodecs("103", "pcmu", "pcma")
	a, b, c := l.phone("101"), l.phone("102"), l.phone("103")
	b.register()
	c.register()
	d := a.invite("102", a.offer())
	for i := range 6 {
		at, to := b, c
		if i%2 == 1 {
			at, to = c, b
		}
		in := at.expect("INVITE")
		res := at.reply(in, 302, "t")
		res.ReplaceHeader(wire.NewHeader("Contact", "<sip:"+to.number+"@tincan>"))
		at.write(res.String())
		at.expect("ACK")
	}
	end := a.expect("482")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(end), d.branch, 2}, "")
	l.idle()
}
