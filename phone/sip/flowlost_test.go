package sip

import (
	"testing"
	"time"

	"tincan/phone/directory"
)

// twoFlows is a lab with a caller and a device with an older and a younger flow.
func twoFlows(t *testing.T) (l *lab, a, older, younger *phone) {
	t.Helper()
	l = newLab(t)
	a, older, younger = l.phone("101"), l.phone("102"), l.phone("102")
	older.register(older.instanceOf("same", ";reg-id=1"), "Supported: path, outbound")
	younger.register(younger.instanceOf("same", ";reg-id=2"), "Supported: path, outbound")
	return l, a, older, younger
}

// One flow of a phone is silent: its call goes on by the other, and the next one goes
// there first. What the silent one says after all is acknowledged and let go.
func TestSilentFlow(t *testing.T) {
	l, a, older, younger := twoFlows(t)
	d := a.invite("102", a.offer())
	silent := younger.expect("INVITE")
	in := older.expect("INVITE")
	if silent.CallID().Value() != in.CallID().Value() || viaBranch(silent) == viaBranch(in) {
		t.Errorf("asked\n%s\nthen\n%s", silent, in)
	}
	older.answer(in, 200, "o", older.offer())
	older.expect("ACK")
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	younger.answer(silent, 200, "late", younger.offer())
	if ack := younger.expect("ACK"); tagOf(ack) != "late" {
		t.Errorf("acknowledged\n%s", ack)
	}
	younger.answer(younger.expect("BYE"), 200, "", "")
	a.send("BYE", target(ok), d.within(ok).next(), "")
	older.answer(older.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()

	d = a.invite("102", a.offer())
	older.answer(older.expect("INVITE"), 486, "o", "")
	older.expect("ACK")
	res := a.expect("486")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	l.idle()
	for _, m := range younger.inbox {
		if begins(m, "INVITE") && m.CallID().Value() != silent.CallID().Value() {
			t.Errorf("the silent flow is asked first again:\n%s", m)
		}
	}
}

// A flow that says that it tries is waited for.
func TestSlowFlow(t *testing.T) {
	l, a, older, younger := twoFlows(t)
	d := a.invite("102", a.offer())
	in := younger.expect("INVITE")
	younger.answer(in, 100, "", "")
	if m := older.read(3 * slowness * quick.T1); m != nil {
		t.Errorf("the other flow is asked too:\n%s", m)
	}
	younger.answer(in, 486, "y", "")
	younger.expect("ACK")
	res := a.expect("486")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	l.idle()
}

func TestDoubtsEnd(t *testing.T) {
	now := time.Now()
	b := directory.Binding{Extension: "102", Instance: "<a>", RegID: 1, Updated: now}
	var d doubts
	d.note(flowName("extension:102", b.Key()), now.Add(time.Second))
	if !d.about(&b, now.Add(2*time.Second)) {
		t.Error("not doubted")
	}
	if d.about(&b, now.Add(2*doubtTime)) {
		t.Error("doubted for ever")
	}
	b.Updated = now.Add(2 * time.Second)
	if d.about(&b, now.Add(3*time.Second)) {
		t.Error("doubted though it registered since")
	}
}
