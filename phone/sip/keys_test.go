package sip

import (
	"strings"
	"testing"

	"tincan/phone/directory"
)

// Telephone events are told to whom they are for, calling or called, whatever the
// other side has.
func TestTelephoneEventsAreKeptFrom(t *testing.T) {
	for _, dtmf := range []string{directory.DTMFInband, directory.DTMFInfo} {
		for _, who := range []string{"101", "102"} {
			l := newLab(t)
			l.change(who, func(f *directory.ExtensionForm) { f.DTMF = dtmf })
			a, b := l.phone("101"), l.phone("102")
			b.register()
			const events = "a=rtpmap:101 telephone-event/8000\r\n"
			a.invite("102", a.offer("0", "101")+events)
			in := b.expect("INVITE")
			b.answer(in, 200, "bt", b.offer("0", "101")+events)
			told := map[string]string{"101": string(a.expect("200").Body()), "102": string(in.Body())}
			for number, body := range told {
				if strings.Contains(body, "telephone-event") == (number == who) || !strings.Contains(body, "PCMU") {
					t.Errorf("%s has dtmf = %q, %s was told:\n%s", who, dtmf, number, body)
				}
			}
			l.close()
		}
	}
}
