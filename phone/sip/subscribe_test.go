package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/subscription"
)

// subscribe subscribes with authentication and gives the dialog and the answer.
func (p *phone) subscribe(user string, extra ...string) (dlg, wire.Message) {
	p.t.Helper()
	uri := "sip:" + user + "@tincan"
	d := dlg{callID: fmt.Sprintf("sub-%s-%d", user, time.Now().UnixNano()), from: "st", seq: 1}
	p.send("SUBSCRIBE", uri, d, "", extra...)
	c := p.expect("401")
	d.seq = 2
	p.send("SUBSCRIBE", uri, d, "", append(extra, p.auth(c, "SUBSCRIBE", uri, "pw"+p.number, 1, "MD5"))...)
	res := p.read(10 * time.Second)
	return d, res
}

// resubscribe refreshes within the dialog of a 200 (or ends it).
func (p *phone) resubscribe(d *dlg, uri string, extra ...string) wire.Message {
	p.t.Helper()
	d.seq++
	p.send("SUBSCRIBE", uri, *d, "", extra...)
	c := p.expect("401")
	d.seq++
	p.send("SUBSCRIBE", uri, *d, "", append(extra, p.auth(c, "SUBSCRIBE", uri, "pw"+p.number, 1, "MD5"))...)
	return p.read(10 * time.Second)
}

// notified waits for a NOTIFY, answers it and gives its state and body.
func (p *phone) notified(code int) (req *wire.Request, state, body string) {
	p.t.Helper()
	req = p.expect("NOTIFY").(*wire.Request)
	p.answer(req, code, "", "")
	return req, header(req, "Subscription-State"), string(req.Body())
}

// registerAs registers the phone with a Contact of its own words.
func (p *phone) registerAs(contact string) {
	p.t.Helper()
	write := func(extra ...string) {
		text := p.text("REGISTER", "sip:"+p.number+"@tincan", p.regDlg(), "", extra...)
		p.write(strings.Replace(text, "<sip:"+p.number+"@"+p.addr().String()+">", contact, 1))
	}
	write()
	c := p.expect("401")
	write(p.auth(c, "REGISTER", "sip:"+p.number+"@tincan", "pw"+p.number, 1, "MD5"))
	p.expect("200")
}

func TestLampShowsACall(t *testing.T) {
	l := newLab(t)
	l.setCodecs("103", "gsm")
	a, b, w := l.phone("101"), l.phone("103"), l.phone("101")
	a.register()
	b.register()
	d, ok := w.subscribe("103", "Event: dialog", "Accept: application/dialog-info+xml")
	if !begins(ok, "200") || header(ok, "Expires") != "3600" {
		t.Fatal(ok)
	}
	n, state, body := w.notified(200)
	if !strings.HasPrefix(state, "active;expires=3") || !strings.Contains(body, `version="0" state="full" entity="sip:103@tincan"`) || header(n, "Event") != "dialog" {
		t.Errorf("%s\n%s", state, body)
	}
	ad := a.invite("103", a.offer("3"))
	in := b.expect("INVITE")
	b.answer(in, 180, "bt", "")
	a.expect("180")
	for {
		_, _, body = w.notified(200)
		if strings.Contains(body, "<state>early</state>") {
			break
		}
	}
	fromTag, _ := in.From().Params.Get("tag")
	for _, want := range []string{
		`direction="recipient"`, `call-id="` + string(*in.CallID()) + `"`, `local-tag="bt"`, `remote-tag="` + fromTag + `"`,
		`<identity display="Phone 101">sip:101@tincan</identity>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	b.answer(in, 486, "bt", "")
	b.expect("ACK")
	busy := a.expect("486")
	a.send("ACK", "sip:103@tincan", dlg{ad.callID, ad.from, tagOf(busy), ad.branch, 2}, "")
	if _, _, body = w.notified(200); !strings.Contains(body, "<state>terminated</state>") {
		t.Error(body)
	}
	d = d.within(ok)
	res := w.resubscribe(&d, target(ok), "Event: dialog", "Expires: 0")
	if !begins(res, "200") {
		t.Fatal(res)
	}
	if _, state, _ = w.notified(200); state != "terminated;reason=timeout" {
		t.Error(state)
	}
	l.eventually(func() bool { return l.subs.Count() == 0 })
	w.send("SUBSCRIBE", target(ok), d.next(), "", "Event: dialog")
	w.expect("481")
	l.idle()
}

func TestSubscribeRefused(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	for _, c := range []struct {
		user, code, header, value string
		extra                     []string
	}{
		{"102", "489", "Allow-Events", "dialog, presence, message-summary, reg", []string{"Event: weather"}},
		{"102", "489", "", "", nil},
		{"999", "404", "", "", []string{"Event: dialog"}},
		{"102", "423", "Min-Expires", "60", []string{"Event: dialog", "Expires: 30"}},
		{"102", "406", "Accept", "application/dialog-info+xml", []string{"Event: dialog", "Accept: text/html"}},
		{"102", "403", "", "", []string{"Event: message-summary"}},
		{"102", "403", "", "", []string{"Event: reg"}},
		{"102", "513", "", "", []string{"Event: dialog", "Record-Route: <sip:" + strings.Repeat("x", 3000) + "@h;lr>"}},
	} {
		_, res := a.subscribe(c.user, c.extra...)
		if !begins(res, c.code) || c.header != "" && header(res, c.header) != c.value {
			t.Errorf("%v: want %s, got\n%s", c, c.code, res)
		}
	}
	a.send("SUBSCRIBE", "sip:101@tincan", dlg{callID: "x", from: "f", to: "unknown", seq: 1}, "", "Event: dialog")
	a.expect("481")
	l.left(false)
}

// A fetch is answered with the state and leaves nothing.
func TestFetch(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	a.register()
	_, ok := a.subscribe("101", "Event: reg", "Expires: 0")
	if !begins(ok, "200") || header(ok, "Expires") != "0" {
		t.Fatal(ok)
	}
	_, state, body := a.notified(200)
	if state != "terminated;reason=timeout" || !strings.Contains(body, `state="active"`) || !strings.Contains(body, "<uri>sip:101@"+a.addr().String()+"</uri>") {
		t.Errorf("%s\n%s", state, body)
	}
	l.eventually(func() bool { return l.subs.Count() == 0 })
}

// What a phone refuses is not told it again.
func TestRefusedNotifyEndsTheSubscription(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	d, ok := a.subscribe("101", "Event: message-summary")
	n, _, body := a.notified(481)
	if n.From().Address.User != "101" || n.To().Address.User != "101" {
		t.Errorf("told\n%s", n)
	}
	if !strings.Contains(body, "Voice-Message: 0/0 (0/0)\r\n") {
		t.Error(body)
	}
	l.eventually(func() bool { return l.subs.Count() == 0 })
	d = d.within(ok)
	a.send("SUBSCRIBE", target(ok), d.next(), "", "Event: message-summary")
	a.expect("481")
}

// A phone that nobody hears any more is forgotten; one that has moved is followed.
func TestNotifyFollowsTheRegistration(t *testing.T) {
	t.Parallel() // it waits for a time-out
	l := newLab(t)
	old := l.phone("101")
	old.registerAs("<sip:101@10.0.0.1:1>;+sip.instance=\"<urn:uuid:7>\";reg-id=1")
	_, ok := old.subscribe("103", "Event: dialog")
	if !begins(ok, "200") {
		t.Fatal(ok)
	}
	old.notified(200)
	moved := l.phone("101")
	moved.registerAs("<sip:101@10.0.0.1:1>;+sip.instance=\"<urn:uuid:7>\";reg-id=1")
	l.subs.Changed("dialog", "103")
	n, _, _ := moved.notified(200)
	if string(*n.CallID()) != string(*ok.CallID()) {
		t.Error("another dialog")
	}
	l.subs.Changed("dialog", "103")
	moved.expect("NOTIFY") // and says nothing more
	l.eventually(func() bool { return l.subs.Count() == 0 })
}

func TestSubscriptionOutlivesTheProcess(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	d, ok := a.subscribe("103", "Event: dialog;id=7")
	first, _, _ := a.notified(200)
	l.close()
	again := openLab(t, l.dir, l.udp.String())
	a.lab = again
	n, state, body := a.notified(200)
	if n.CSeq().SeqNo <= first.CSeq().SeqNo || !strings.HasPrefix(state, "active") || !strings.Contains(body, `state="full"`) || header(n, "Event") != "dialog;id=7" {
		t.Errorf("%s\n%s", n, body)
	}
	d = d.within(ok)
	if res := a.resubscribe(&d, target(ok), "Event: dialog;id=7", "Expires: 600"); !begins(res, "200") {
		t.Error(res)
	}
	a.notified(200)
}

// eventually waits until something that other goroutines do is done.
func (l *lab) eventually(done func() bool) {
	l.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			l.t.Fatal("never done")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// What a lamp tells of a ringing call is enough to pick it up (RFC 3891).
func TestLampPicksUp(t *testing.T) {
	l := newLab(t)
	l.setCodecs("103", "gsm")
	a, b, w := l.phone("102"), l.phone("101"), l.phone("103")
	b.register()
	_, ok := w.subscribe("101", "Event: dialog")
	if !begins(ok, "200") {
		t.Fatal(ok)
	}
	w.notified(200)
	ad := a.invite("101", a.offer("3", "0"))
	in := b.expect("INVITE")
	b.answer(in, 180, "bt", "")
	a.expect("180")
	_, _, body := w.notified(200)
	attr := func(name string) string {
		_, rest, _ := strings.Cut(body, " "+name+`="`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	wd := w.invite("101", w.offer("3"), "Replaces: "+attr("call-id")+";to-tag="+attr("local-tag")+";from-tag="+attr("remote-tag"))
	mine := w.expect("200")
	w.send("ACK", target(mine), wd.within(mine), "")
	theirs := a.expect("200")
	a.send("ACK", target(theirs), ad.within(theirs), "")
	b.expect("CANCEL")
	b.answer(in, 487, "bt", "")
	b.expect("ACK")
	end := ad.within(theirs).next()
	a.send("BYE", target(theirs), end, "")
	a.expect("200")
	bye := w.expect("BYE")
	w.answer(bye, 200, "", "")
	l.idle()
}

// What is read of Event's parameters is within bounds, and is read again from what
// it would be written as.
func FuzzEventParams(f *testing.F) {
	f.Add("id=7;max-rate=0.5;min-rate=0.01")
	f.Add(" ID = x ;max-rate=1e9;min-rate=NaN")
	f.Fuzz(func(t *testing.T, text string) {
		id, most, least := eventParams(text)
		for _, r := range []float64{most, least} {
			if !(r >= 0 && r <= 1e6) {
				t.Fatalf("rate %v", r)
			}
		}
		again, m, l := eventParams(fmt.Sprintf("id=%s;max-rate=%v;min-rate=%v", id, most, least))
		if again != id || m != most || l != least {
			t.Fatalf("%q %v %v became %q %v %v", id, most, least, again, m, l)
		}
	})
}

// With the names of its dialog anybody could end a call: once it is answered they
// are for the extension's own devices.
func TestLampKeepsStandingCallsSafe(t *testing.T) {
	l := newLab(t)
	a, b, w, own := l.phone("101"), l.phone("102"), l.phone("103"), l.phone("102")
	b.register()
	w.subscribe("102", "Event: dialog")
	w.notified(200)
	own.subscribe("102", "Event: dialog")
	own.notified(200)
	ad, _, aTarget, _ := talk(a, b)
	confirmed := func(p *phone) (body string) {
		for !strings.Contains(body, "<state>confirmed</state>") {
			_, _, body = p.notified(200)
		}
		return body
	}
	if body := confirmed(w); strings.Contains(body, "call-id") || strings.Contains(body, "-tag") || !strings.Contains(body, "sip:101@") {
		t.Errorf("others are told\n%s", body)
	}
	if body := confirmed(own); !strings.Contains(body, "call-id") || !strings.Contains(body, `local-tag="bt"`) {
		t.Errorf("its own devices are told\n%s", body)
	}
	a.send("BYE", aTarget, ad.next(), "")
	a.expect("200")
	b.expect("BYE")
}

func TestOutcomeOf(t *testing.T) {
	for _, c := range []struct {
		code  int
		after string
		want  subscription.Outcome
	}{
		{200, "", subscription.Outcome{}},
		{481, "", subscription.Outcome{Verdict: subscription.Refused}},
		{481, "5", subscription.Outcome{Verdict: subscription.Refused}},
		{489, "", subscription.Outcome{Verdict: subscription.Refused}},
		{500, "", subscription.Outcome{}}, // of this NOTIFY alone
		{480, "30 (asleep);duration=60", subscription.Outcome{Verdict: subscription.Later, After: 30 * time.Second}},
		{503, "x", subscription.Outcome{}},
	} {
		res := wire.NewResponse(c.code, "X")
		if c.after != "" {
			res.AppendHeader(wire.NewHeader("Retry-After", c.after))
		}
		if got := outcomeOf(res); got != c.want {
			t.Errorf("%d %q: %+v, want %+v", c.code, c.after, got, c.want)
		}
	}
}
