package sip

import (
	"strings"
	"testing"
	"time"
)

// standingLeg waits until the leg with a tag stands.
func (l *lab) standingLeg(tag string) *leg {
	l.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if leg := l.sip.leg(tag); leg != nil {
			leg.mu.Lock()
			stands := leg.stage == up
			leg.mu.Unlock()
			if stands {
				return leg
			}
		}
	}
	l.t.Fatal("the call never stood")
	return nil
}

// sooner makes a leg's session interval a second long.
func (l *leg) sooner(ours bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer.set(l, 1, ours)
}

func TestSessionTimerIsAgreed(t *testing.T) {
	for asked, want := range map[string]string{
		"1800":               "1800;refresher=uac",
		"120;refresher=uac":  "120;refresher=uac",
		"3600;refresher=uas": "3600;refresher=uas",
		"":                   "",
	} {
		l := newLab(t)
		a := l.phone("101")
		extra := []string{"Supported: timer"}
		if asked != "" {
			extra = append(extra, "Session-Expires: "+asked)
		}
		a.invite("*43", a.offer(), extra...)
		if got := header(a.expect("200"), "Session-Expires"); got != want {
			t.Errorf("asked %q, answered %q, want %q", asked, got, want)
		}
	}
	l := newLab(t)
	a := l.phone("101")
	a.invite("*43", a.offer(), "Supported: timer", "Session-Expires: 30")
	if res := a.expect("422"); header(res, "Min-SE") != "90" {
		t.Error(res)
	}
}

func TestSilentPartyIsLetGo(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	ad, _, _, _ := talk(a, b)
	l.standingLeg(ad.to).sooner(false)
	a.answer(a.expect("BYE"), 200, "", "")
	b.answer(b.expect("BYE"), 200, "", "")
	if rec := l.last(1); rec.Cause != "unreachable" || rec.EndedBy != "caller" {
		t.Errorf("record %+v", rec)
	}
	l.idle()
}

func TestWeRefresh(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	ad, _, at, _ := talk(a, b)
	leg := l.standingLeg(ad.to)
	leg.sooner(true)
	re := a.expect("INVITE") // the phone never said that it takes UPDATE
	a.answer(re, 200, ad.from, a.offer(), "Session-Expires: 90;refresher=uac", "Allow: INVITE, UPDATE")
	a.expect("ACK")
	leg.mu.Lock()
	leg.peerAllow = "INVITE, UPDATE"
	leg.mu.Unlock()
	leg.sooner(true)
	up := a.expect("UPDATE")
	if len(up.Body()) != 0 || !strings.Contains(header(up, "Session-Expires"), "refresher=uac") {
		t.Error(up)
	}
	a.answer(up, 481, "", "")
	a.answer(a.expect("BYE"), 200, "", "")
	b.answer(b.expect("BYE"), 200, "", "")
	_ = at
	l.idle()
}

// A callee that wants a longer interval gets it.
func TestLongerIntervalOn422(t *testing.T) {
	l := newLab(t)
	l.sip.Reconfigure(Settings{RegisterMin: time.Minute, RegisterMax: time.Hour, Session: 2 * time.Minute})
	a, b := l.phone("101"), l.phone("102")
	b.register()
	a.invite("102", a.offer())
	in := b.expect("INVITE")
	if header(in, "Session-Expires") != "120" {
		t.Error(in)
	}
	b.answer(in, 422, "bt", "", "Min-SE: 600")
	b.expect("ACK")
	again := b.expect("INVITE")
	if header(again, "Session-Expires") != "600" || again.CSeq().SeqNo != 2 {
		t.Error(again)
	}
	b.answer(again, 486, "bt", "")
	b.expect("ACK")
	a.expect("486")
}
