package sip

import (
	"errors"
	"sync/atomic"
	"testing"

	"tincan/phone/call"
	"tincan/phone/media"
)

// What is played into a call and recorded of it goes on when one of the parties
// is replaced, and is told when the call ends.
func TestSoundLastsOverATransfer(t *testing.T) {
	l := newLab(t)
	l.setCodecs("103", "pcmu", "pcma")
	a, b, c := l.phone("101"), l.phone("102"), l.phone("103")
	b.register()
	c.register()
	ad, _, at, _ := talk(a, b)
	d2 := a.invite("103", a.offer())
	in := c.expect("INVITE")
	c.answer(in, 200, "ct", c.offer())
	ok := a.expect("200")
	c.expect("ACK")
	a.send("ACK", target(ok), d2.within(ok), "")
	l.eventually(func() bool { return len(l.calls.Snapshots()) == 2 && l.calls.Snapshots()[1].State == "answered" })
	id := l.calls.Snapshots()[1].ID // with c: b comes into it

	var heard, played, over atomic.Int32
	tap := media.Tap{Rate: 8000, Take: func([]int16) { heard.Add(1) }}
	source := media.Source{Rate: 8000, Next: func([]int16) bool { played.Add(1); return true }}
	for _, s := range []call.Sound{{Tap: &tap}, {Play: &source, Side: media.Both}} {
		s.Over = func() { over.Add(1) }
		if _, err := l.calls.Attach(id, s); err != nil {
			t.Fatal(err)
		}
	}
	remove, err := l.calls.Attach(id, call.Sound{Over: func() { t.Error("what was removed is told of the end") }})
	if err != nil {
		t.Fatal(err)
	}
	remove()
	goesOn := func() {
		t.Helper()
		heardBefore, playedBefore := heard.Load(), played.Load()
		l.eventually(func() bool { return heard.Load() > heardBefore+5 && played.Load() > playedBefore+5 })
	}
	goesOn()
	ad = ad.next()
	a.send("REFER", at, ad, "", "Refer-To: <sip:103@tincan?Replaces="+d2.callID+"%3Bto-tag%3D"+tagOf(ok)+"%3Bfrom-tag%3D"+d2.from+">")
	a.expect("202")
	a.progress()
	a.progress()
	a.answer(a.expect("BYE"), 200, "", "")
	a.answer(a.expect("BYE"), 200, "", "")
	goesOn()
	if over.Load() != 0 {
		t.Error("told of an end that was none")
	}
	l.calls.Hangup(id, call.Normal)
	l.eventually(func() bool { return over.Load() == 2 })
	if _, err := l.calls.Attach(id, call.Sound{}); !errors.Is(err, call.ErrNoCall) {
		t.Error(err)
	}
}
