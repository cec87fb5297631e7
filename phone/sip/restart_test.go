package sip

import (
	"fmt"
	"net"
	"testing"
	"time"

	"tincan/phone/call"
)

// The process ends without a word while a call stands; the next one goes on
// with it: a BYE from either side is answered and reaches the other.
func TestStandingCallOutlivesTheProcess(t *testing.T) {
	for _, who := range []string{"caller", "callee"} {
		l := newLab(t)
		a, b := l.phone("101"), l.phone("102")
		b.register()
		ad, bd, at, bt := talk(a, b)
		l.close() // nobody is told

		l2 := openLab(t, l.dir, l.udp.String())
		standing, err := l2.ledger.Standing(t.Context())
		if err != nil || len(standing) != 1 {
			t.Fatalf("%d standing calls, %v", len(standing), err)
		}
		for id, state := range standing {
			if err := l2.calls.Adopt(id, state); err != nil {
				t.Fatal(err)
			}
		}
		if used, _ := l2.media.Ports(); used != 2 {
			t.Errorf("%d port pairs in use, want the two of before", used)
		}
		by, other, d, uri := a, b, ad.next(), at
		if who == "callee" {
			by, other, d, uri = b, a, bd.next(), bt
		}
		by.send("BYE", uri, d, "")
		other.answer(other.expect("BYE"), 200, "", "")
		by.expect("200")
		if rec := l2.last(1); rec.Cause != "normal" || rec.EndedBy != who || rec.Answer.IsZero() {
			t.Errorf("record %+v", rec)
		}
		if standing, _ := l2.ledger.Standing(t.Context()); len(standing) != 0 {
			t.Error("the call still stands in the store")
		}
		l2.idle()
	}
}

// The process ends when the call is written as standing and before the caller
// is told: the next one tells it.
func TestAnswerThatTheCallerNeverSaw(t *testing.T) {
	for _, does := range []string{"takes it", "has given up", "is gone"} {
		l := newLab(t)
		l.deaf.Store(true)
		a, b := l.phone("101"), l.phone("102")
		b.register()
		d := a.invite("102", a.offer(), "Session-Expires: 1800;refresher=uas", "Supported: timer")
		in := b.expect("INVITE")
		b.answer(in, 200, "bt", b.offer())
		b.expect("ACK")
		l.standing(1)
		l.close()

		l2 := openLab(t, l.dir, l.udp.String())
		for id, state := range l2.standing(1) {
			if err := l2.calls.Adopt(id, state); err != nil {
				t.Fatal(err)
			}
		}
		a.lab = l2
		if does == "has given up" {
			a.send("CANCEL", "sip:102@tincan", d, "")
			for a.expect("200").CSeq().MethodName != "CANCEL" {
			}
		}
		ok := a.expect("200")
		if got := header(ok, "Session-Expires"); got != "1800;refresher=uas" || ok.CSeq().MethodName != "INVITE" {
			t.Errorf("%s: Session-Expires %q in\n%s", does, got, ok)
		}
		d = d.within(ok)
		if does == "is gone" {
			from, _ := in.From().Params.Get("tag")
			b.lab = l2
			b.send("BYE", target(in), dlg{callID: string(*in.CallID()), from: "bt", to: from, seq: 1}, "")
			a.answer(a.expect("BYE"), 481, "", "")
			b.expect("200")
		} else {
			a.send("ACK", target(ok), d, "")
			a.send("BYE", target(ok), d.next(), "")
			b.answer(b.expect("BYE"), 200, "", "")
			a.expect("200")
		}
		if rec := l2.last(1); rec.Cause != "normal" || rec.Answer.IsZero() {
			t.Errorf("%s: record %+v", does, rec)
		}
		l2.idle()
	}
}

// standing waits until the store has n standing calls.
func (l *lab) standing(n int) map[string][]byte {
	l.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		all, err := l.ledger.Standing(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		if len(all) == n {
			return all
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%d standing calls, want %d", len(all), n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// What cannot be adopted is recorded as interrupted.
func TestCallThatCannotBeAdopted(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	talk(a, b)
	l.close()
	l2 := openLab(t, l.dir, l.udp.String())
	standing, err := l2.ledger.Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for id, state := range standing {
		port := portOf(t, state)
		taken, err := net.ListenPacket("udp4", "127.0.0.1:"+fmt.Sprint(port))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = taken.Close() }()
		if err := l2.calls.Adopt(id, state); err == nil {
			t.Error("a call whose RTP port another process has was adopted")
		}
	}
	if rec := l2.last(1); rec.Cause != "interrupted" || len(rec.Legs) != 2 {
		t.Errorf("record %+v", rec)
	}
}

// portOf reads the first RTP port out of a standing call's state.
func portOf(t *testing.T, state []byte) uint16 {
	t.Helper()
	var standing struct {
		Legs []struct {
			State []byte `json:"state"`
		} `json:"legs"`
	}
	var leg legState
	if err := call.Decode(state, &standing); err != nil {
		t.Fatal(err)
	}
	if err := call.Decode(standing.Legs[0].State, &leg); err != nil {
		t.Fatal(err)
	}
	return leg.Lines[0].Port
}
