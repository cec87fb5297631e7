package sip

import (
	"fmt"
	"net"
	"testing"

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
