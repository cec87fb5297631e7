package media

import (
	"bytes"
	"testing"

	"tincan/phone/media/rtp"
)

// What a party says of itself and of what it hears, translated one way and
// then by the lines of the other way, is what it said.
func FuzzTranslate(f *testing.F) {
	r := rtp.Report{SSRC: 1, CNAME: "a", Sent: rtp.Sent{Packets: 1, Time: 9}, Received: &rtp.Received{SSRC: 4, Highest: 70000}}
	f.Add(r.Append(nil), uint16(5), uint32(6))
	f.Fuzz(func(t *testing.T, b []byte, seqOff uint16, timeOff uint32) {
		if _, err := rtp.ParseControl(b); err != nil || bytes.Contains(b, []byte{202}) || bytes.Contains(b, []byte{207}) {
			return // chunks may overlap; extended reports are removed
		}
		before := bytes.Clone(b)
		// One hears SSRC 1 as 2; the other's source 3 is heard as 4.
		listener := &line{rewriting: true, from: 1, ssrc: 2, timeOff: timeOff}
		sender := &line{rewriting: true, from: 3, ssrc: 4, seqOff: seqOff}
		if bytes.Contains(b, []byte{0, 0, 0, 2}) || bytes.Contains(b, []byte{0, 0, 0, 3}) {
			return // not distinguishable on the way back
		}
		c := translate(b, listener, sender)
		back := translate(c, &line{rewriting: true, from: 2, ssrc: 1, timeOff: -timeOff},
			&line{rewriting: true, from: 4, ssrc: 3, seqOff: -seqOff})
		if seqOff != 1<<15 && !bytes.Equal(back, before) {
			t.Fatalf("\n%x became\n%x", before, back)
		}
	})
}

// Nothing that a stranger or a party sends may do more than be counted.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3}, false)
	f.Add([]byte{0x80, 0x65, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0x80, 3, 4}, false)
	f.Add((&rtp.Report{SSRC: 1, CNAME: "a"}).Append(nil), true)
	f.Fuzz(func(t *testing.T, b []byte, control bool) {
		e, err := NewEngine(Config{First: 10000, Last: 10100, Network: fakeNetwork{}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = e.Close() }()
		var flows [2]*RTP
		for i := range flows {
			if flows[i], err = e.Open(Audio, loopback, 0, Events{Digit: func(Digit) {}}); err != nil {
				t.Fatal(err)
			}
			flows[i].Configure(Remote{RTP: stranger, Direction: SendRecv, Formats: append(testFormats, events)})
		}
		bridge := Join(flows[0], flows[1])
		s := flows[0].sock.(*fakeSocket)
		s.from, s.data = stranger, b
		for _, need := range []Way{WayRelay, WayTranscode, WayMix} {
			bridge.Need(need)
			flows[0].Readable(control, make([]byte, 70000))
		}
		d := flows[0].Stats()
		if n := d.In.Packets + d.Discarded.Malformed + d.Discarded.Unknown; n > 3 {
			t.Fatalf("one datagram, three times, counted %d times", n)
		}
	})
}
