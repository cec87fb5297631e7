package load

import "testing"

func TestMessage(t *testing.T) {
	m := message("NOTIFY sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;rport\r\nFrom: \"A\" <sip:20001@h>;tag=t\r\n\r\n<state>early</state>")
	if branchOf(m) != "z9hG4bK1" || user(m.header("From")) != "20001" || m.body() != "<state>early</state>" || m.header("To") != "" {
		t.Errorf("read %q %q %q %q", branchOf(m), user(m.header("From")), m.body(), m.header("To"))
	}
}
