package rtp_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pion/rtcp"

	"tincan/phone/media/rtp"
)

func packet(h rtp.Header, payload ...byte) []byte {
	b := make([]byte, rtp.HeaderLen, 64)
	rtp.Put(b, h)
	return append(b, payload...)
}

func TestParseFindsThePayload(t *testing.T) {
	h := rtp.Header{PT: 8, Marker: true, Seq: 7, Time: 160, SSRC: 0xabcd}
	plain := packet(h, 1, 2, 3)
	csrc := append(packet(h), 0, 0, 0, 9, 1, 2, 3)
	csrc[0] |= 1
	extended := append(packet(h), 0xbe, 0xde, 0, 1, 9, 9, 9, 9, 1, 2, 3)
	extended[0] |= 1 << 4
	padded := append(packet(h), 1, 2, 3, 0, 2)
	padded[0] |= 1 << 5
	for name, b := range map[string][]byte{"plain": plain, "csrc": csrc, "extended": extended, "padded": padded} {
		got, payload, err := rtp.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(h, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if !bytes.Equal(payload, []byte{1, 2, 3}) {
			t.Errorf("%s: payload %v", name, payload)
		}
	}
}

func TestParseRefusesWhatDoesNotFit(t *testing.T) {
	alter := func(change func(b []byte)) []byte {
		b := packet(rtp.Header{}, 1, 2, 3)
		change(b)
		return b
	}
	cases := map[string][]byte{
		"short":            make([]byte, 11),
		"version 1":        alter(func(b []byte) { b[0] = 1 << 6 }),
		"csrc beyond":      alter(func(b []byte) { b[0] |= 1 }),
		"no extension":     alter(func(b []byte) { b[0] |= 1 << 4 }),
		"long extension":   append(alter(func(b []byte) { b[0] |= 1 << 4 }), 0, 9, 9),
		"padding beyond":   alter(func(b []byte) { b[0] |= 1 << 5; b[len(b)-1] = 9 }),
		"padding of zero":  alter(func(b []byte) { b[0] |= 1 << 5; b[len(b)-1] = 0 }),
		"nothing at all":   nil,
		"header's padding": packet(rtp.Header{})[:0],
	}
	for name, b := range cases {
		if _, _, err := rtp.Parse(b); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestClassify(t *testing.T) {
	zrtp := make([]byte, 12)
	zrtp[0] = 0x10
	binary.BigEndian.PutUint32(zrtp[4:], 0x5a525450)
	cases := []struct {
		b    []byte
		want rtp.Kind
	}{
		{packet(rtp.Header{PT: 0}), rtp.Media},
		{packet(rtp.Header{PT: 72, Marker: true}), rtp.Control}, // 200: an SR
		{packet(rtp.Header{PT: 127, Marker: true}), rtp.Media},
		{make([]byte, 20), rtp.STUN},
		{zrtp, rtp.ZRTP},
		{[]byte{22, 254, 253, 0, 0, 0, 0, 0}, rtp.DTLS},
		{[]byte{64, 0, 0, 0, 0, 0, 0, 0}, rtp.Unknown},
		{[]byte("hello, world"), rtp.Unknown},
		{nil, rtp.Unknown},
	}
	for _, c := range cases {
		if got := rtp.Classify(c.b); got != c.want {
			t.Errorf("%x: got %d, want %d", c.b, got, c.want)
		}
	}
}

func TestKeys(t *testing.T) {
	for code := range uint8(17) {
		key, ok := rtp.Key(code)
		back, ok2 := rtp.KeyCode(key)
		if !ok || !ok2 || back != code {
			t.Errorf("event %d: key %q, back %d", code, key, back)
		}
	}
	if _, ok := rtp.Key(17); ok {
		t.Error("event 17 is no key")
	}
	if _, ok := rtp.KeyCode('x'); ok {
		t.Error("x is no key")
	}
}

// Another implementation reads what is written here.
func TestReportIsReadByOthers(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 5e8, time.UTC)
	r := rtp.Report{
		SSRC: 1, CNAME: "abc", Sent: rtp.Sent{At: at, Time: 2, Packets: 3, Octets: 4},
		Received: &rtp.Received{
			SSRC: 5, Fraction: 6, Lost: 7, Highest: 8, Jitter: 9, LastReport: 10, Delay: time.Second,
		},
	}
	got, err := rtcp.Unmarshal(r.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []rtcp.Packet{
		&rtcp.SenderReport{
			SSRC: 1, NTPTime: uint64(at.Unix()+2208988800)<<32 | 1<<31, RTPTime: 2, PacketCount: 3, OctetCount: 4,
			Reports: []rtcp.ReceptionReport{{
				SSRC: 5, FractionLost: 6, TotalLost: 7, LastSequenceNumber: 8, Jitter: 9,
				LastSenderReport: 10, Delay: 1 << 16,
			}},
		},
		rtcp.NewCNAMESourceDescription(1, "abc"),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestVisitReachesEveryStream(t *testing.T) {
	packets := []rtcp.Packet{
		&rtcp.SenderReport{SSRC: 1, RTPTime: 77, Reports: []rtcp.ReceptionReport{{SSRC: 2, LastSequenceNumber: 3}}},
		&rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 2, LastSequenceNumber: 3}}},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{
			{Source: 1, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "a"}, {Type: rtcp.SDESTool, Text: "four"}}},
			{Source: 1, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "abc"}}},
		}},
		&rtcp.PictureLossIndication{SenderSSRC: 1, MediaSSRC: 2},
		&rtcp.FullIntraRequest{SenderSSRC: 1, MediaSSRC: 2, FIR: []rtcp.FIREntry{{SSRC: 2, SequenceNumber: 3}}},
		&rtcp.TransportLayerNack{SenderSSRC: 1, MediaSSRC: 2, Nacks: []rtcp.NackPair{{PacketID: 3}}},
		&rtcp.Goodbye{Sources: []uint32{1}},
	}
	b, err := rtcp.Marshal(packets)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rtp.ParseControl(b)
	if err != nil {
		t.Fatal(err)
	}
	c.Visit(&rtp.Visitor{
		Sender: func(ssrc []byte) { binary.BigEndian.PutUint32(ssrc, 11) },
		Target: func(ssrc []byte) { binary.BigEndian.PutUint32(ssrc, 12) },
		Info:   func(s rtp.SenderInfo) { s.SetTime(s.Time() + 1) },
		Block:  func(b rtp.Block) { b.SetSSRC(12); b.SetHighest(b.Highest() + 1) },
		Seq:    func(_, seq []byte) { seq[1]++ },
	})
	got, err := rtcp.Unmarshal(c)
	if err != nil {
		t.Fatal(err)
	}
	want := []rtcp.Packet{
		&rtcp.SenderReport{SSRC: 11, RTPTime: 78, Reports: []rtcp.ReceptionReport{{SSRC: 12, LastSequenceNumber: 4}}},
		&rtcp.ReceiverReport{SSRC: 11, Reports: []rtcp.ReceptionReport{{SSRC: 12, LastSequenceNumber: 4}}},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{
			{Source: 11, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "a"}, {Type: rtcp.SDESTool, Text: "four"}}},
			{Source: 11, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "abc"}}},
		}},
		&rtcp.PictureLossIndication{SenderSSRC: 11, MediaSSRC: 12},
		&rtcp.FullIntraRequest{SenderSSRC: 11, MediaSSRC: 12, FIR: []rtcp.FIREntry{{SSRC: 12, SequenceNumber: 3}}},
		&rtcp.TransportLayerNack{SenderSSRC: 11, MediaSSRC: 12, Nacks: []rtcp.NackPair{{PacketID: 4}}},
		&rtcp.Goodbye{Sources: []uint32{11}},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(packet(rtp.Header{PT: 8, Seq: 1, Time: 2, SSRC: 3}, 1, 2, 3))
	f.Add([]byte{0x91, 0x80, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0xbe, 0xde, 0, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := rtp.Parse(b)
		if err != nil {
			return
		}
		if len(payload) > len(b)-rtp.HeaderLen {
			t.Fatalf("payload of %d bytes in a packet of %d", len(payload), len(b))
		}
		before := bytes.Clone(b)
		rtp.Rewrite(b, h)
		if !bytes.Equal(before, b) {
			t.Fatalf("rewriting the same header changed\n%x to\n%x", before, b)
		}
	})
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte{1, 0x8a, 3, 0x20})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := rtp.ParseEvent(b)
		if err != nil {
			return
		}
		var out [rtp.EventLen]byte
		e.Put(out[:])
		back, err := rtp.ParseEvent(out[:])
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, back); d != "" {
			t.Fatal(d)
		}
	})
}

// Adding and subtracting again gives the packet as it was.
func FuzzControl(f *testing.F) {
	r := rtp.Report{SSRC: 1, CNAME: "abc", Received: &rtp.Received{SSRC: 5}, Sent: rtp.Sent{Packets: 1}}
	f.Add(r.Append(nil))
	f.Add(append([]byte{0x80, 207, 0, 10, 0, 0, 0, 1, 7, 0, 0, 8}, make([]byte, 32)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		c, err := rtp.ParseControl(b)
		if err != nil {
			return
		}
		shift := func(by uint32) *rtp.Visitor {
			move := func(b []byte) { binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)+by) }
			return &rtp.Visitor{
				Sender: move, Target: move,
				Info:  func(s rtp.SenderInfo) { s.SetTime(s.Time() + by) },
				Block: func(b rtp.Block) { b.SetSSRC(b.SSRC() + by) },
				Metrics: func(m rtp.Metrics) {
					if rating, said := m.R(); m.Loss() > 1 || m.Discard() > 1 || m.BurstDensity() > 1 || said && rating > 255 || m.RTT() < 0 || m.EndDelay() < 0 {
						t.Fatalf("%x", m)
					}
				},
			}
		}
		c.Visit(shift(3))
		if _, err := rtp.ParseControl(b); err != nil {
			t.Fatalf("no longer well-formed: %x", b)
		}
		// Overlapping chunks of a hostile SDES are rewritten in some order;
		// only the shape must hold then.
		c.Visit(shift(^uint32(2)))
		if !bytes.Equal(before, b) && !bytes.Contains(before, []byte{202}) {
			t.Fatalf("\n%x became\n%x", before, b)
		}
		if left := rtp.Compound(b).WithoutExtended(); len(left) > 0 {
			if _, err := rtp.ParseControl(left); err != nil && len(left) >= 8 {
				t.Fatalf("left malformed: %x", left)
			}
		}
	})
}
