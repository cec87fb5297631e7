package media

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pion/rtcp"

	"tincan/phone/codec"
	"tincan/phone/media/quality"
	"tincan/phone/media/rtp"
)

var stranger = netip.MustParseAddrPort("6.6.6.6:666")

// pair is two phones on a bridge, in a bubble.
func pair(t *testing.T, c Config, formats ...codec.Format) (a, b *phone, bridge *Bridge) {
	t.Helper()
	e := newTestEngine(t, c)
	a, b = newPhone(t, e, "1.1.1.1", formats...), newPhone(t, e, "2.2.2.2", formats...)
	return a, b, Join(a.flow, b.flow)
}

func TestFirstPacketLatchesAndStrangersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := pair(t, Config{}, linear)
		signalled := a.addr
		r := a.remote(linear)
		r.Hosts = []netip.Addr{netip.MustParseAddr("::ffff:9.9.9.9")}
		a.flow.Configure(r)
		b.speak()
		if to := a.heard()[0].sent.to; to != signalled {
			t.Errorf("before anything was heard media goes to %v", to)
		}
		a.addr = netip.MustParseAddrPort("9.9.9.9:9") // what a NAT made of it
		a.speak()
		b.speak()
		if to := a.heard()[0].sent.to; to != a.addr {
			t.Errorf("media goes to %v, comes from %v", to, a.addr)
		}
		if d := cmp.Diff([]netip.AddrPort{a.addr}, a.latched, cmpopts.EquateComparable(netip.AddrPort{})); d != "" {
			t.Error(d)
		}
		b.heard()
		for range 200 { // 4 s: a stranger never wins while the party speaks
			a.send(false, stranger, a.packet(rtp.Header{PT: 97}, make([]byte, 320)))
			a.seq--
			a.speak()
			time.Sleep(20 * time.Millisecond)
		}
		if n := len(b.heard()); n != 200 {
			t.Errorf("%d packets passed, want the party's 200", n)
		}
		if s := a.flow.Stats(); s.Discarded.Strangers != 200 || s.Remote != a.addr || !s.Latched {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestRebindingNAT(t *testing.T) {
	moved := netip.MustParseAddrPort("1.1.1.1:5555")
	cases := []struct {
		name   string
		silent time.Duration
		change func(p *phone)
		want   bool
	}{
		{"silent for 2 s and goes on", 2 * time.Second, func(p *phone) { p.seq += 100 }, true},
		{"too soon", 1900 * time.Millisecond, func(p *phone) { p.seq += 95 }, false},
		{"another SSRC", 10 * time.Second, func(p *phone) { p.ssrc++ }, false},
		{"another sequence", 10 * time.Second, func(p *phone) { p.seq -= 500 }, false},
		{"far ahead", 10 * time.Second, func(p *phone) { p.seq += 9000 }, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, _ := pair(t, Config{}, linear)
				a.speak()
				time.Sleep(c.silent)
				c.change(a)
				a.addr = moved
				a.speak()
				if got := len(b.heard()) == 2; got != c.want {
					t.Errorf("passed: %v, want %v", got, c.want)
				}
				if got := a.flow.Stats().Remote == moved; got != c.want {
					t.Errorf("followed: %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestReInviteOpensTheLatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := pair(t, Config{}, linear)
		a.speak()
		old, moved := a.addr, netip.MustParseAddrPort("1.1.1.9:5000")
		a.addr = moved
		a.flow.Configure(a.remote(linear))
		a.addr = old // packets still under way
		a.speak()
		b.speak()
		if to := a.heard()[0].sent.to; to != moved {
			t.Errorf("media goes to %v, not to where signalling said", to)
		}
		a.addr = moved
		a.ssrc++ // a new stream is allowed
		a.speak()
		if n := len(b.heard()); n != 3 {
			t.Errorf("%d packets passed, want 3", n)
		}
		a.addr = old
		a.speak()
		if n := len(b.heard()); n != 0 {
			t.Error("the old place is a stranger once the new one is heard")
		}
	})
}

func TestTrustedPartyIsWhereItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := pair(t, Config{}, linear)
		r := a.remote(linear)
		r.Trusted = true
		a.flow.Configure(r)
		a.send(false, stranger, a.packet(rtp.Header{PT: 97}, make([]byte, 320)))
		a.addr = netip.MustParseAddrPort("1.1.1.1:4321") // another port of the host
		a.speak()
		if n := len(b.heard()); n != 1 {
			t.Errorf("%d packets passed, want the party's one", n)
		}
	})
}

func TestDeadMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, bridge := pair(t, Config{Timeout: 10 * time.Second}, linear)
		for range 400 { // 20 s: b speaks, a sends RTCP alone
			b.speak()
			a.send(true, netip.MustParseAddrPort("1.1.1.1:4001"), (&rtp.Report{SSRC: a.ssrc, CNAME: "a"}).Append(nil))
			time.Sleep(50 * time.Millisecond)
		}
		synctest.Wait()
		if a.dead.Load()+b.dead.Load() != 0 {
			t.Fatalf("declared dead while there was RTP or RTCP: %d, %d", a.dead.Load(), b.dead.Load())
		}
		bridge.Mute(1, true)
		held := a.remote(linear)
		held.Direction = RecvOnly
		a.flow.Configure(held)
		time.Sleep(time.Minute)
		synctest.Wait()
		if a.dead.Load()+b.dead.Load() != 0 {
			t.Fatalf("declared dead while held: %d, %d", a.dead.Load(), b.dead.Load())
		}
		bridge.Mute(1, false)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if b.dead.Load() != 0 {
			t.Fatal("declared dead too early after the hold")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if a.dead.Load() != 0 || b.dead.Load() != 1 {
			t.Errorf("a told %d times, b %d; want 0 and 1", a.dead.Load(), b.dead.Load())
		}
	})
}

func TestEventsAreRelayedAndTheirClockMapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", pcmu, events), newPhone(t, e, "2.2.2.2", pcmu, events2)
		Join(a.flow, b.flow)
		talk(3, a)
		b.heard()
		for i := range 5 {
			a.press(events, rtp.Event{Code: 7, Duration: uint16(160 * (i + 1)), End: i == 4}, i == 0)
			time.Sleep(20 * time.Millisecond)
		}
		a.time += 800
		talk(1, a)
		out := b.heard()
		for i, p := range out[:5] {
			ev, err := rtp.ParseEvent(p.payload)
			want := rtp.Event{Code: 7, Duration: uint16(960 * (i + 1)), End: i == 4}
			if err != nil || ev != want || p.PT != 110 || p.Marker != (i == 0) || p.Time != out[0].Time {
				t.Errorf("packet %d: %v %+v", i, p.Header, ev)
			}
			if p.Seq != out[0].Seq+uint16(i) {
				t.Errorf("packet %d: sequence %d", i, p.Seq)
			}
		}
		if last := out[5]; last.Seq != out[4].Seq+1 || last.Time != a.time-160 {
			t.Errorf("sound goes on at %v", last.Header)
		}
		if len(a.digits) != 0 {
			t.Errorf("told of %v, which was passed on", a.digits)
		}
	})
}

func TestEventsThatCannotPassAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear, events), newPhone(t, e, "2.2.2.2", linear)
		Join(a.flow, b.flow)
		talk(1, a)
		press := func(code uint8, ends int) {
			for i := range 5 + ends {
				a.press(events, rtp.Event{Code: code, Duration: uint16(min(i+1, 6) * 160), End: i >= 5}, i == 0)
				time.Sleep(20 * time.Millisecond)
			}
			a.time += 960
		}
		press(1, 3)
		press(11, 0) // its end is lost; the next key tells
		press(2, 3)
		press(0, 0) // its end is lost and nothing follows
		time.Sleep(2 * time.Second)
		synctest.Wait()
		talk(1, a)
		want := []Digit{
			{'1', 120 * time.Millisecond},
			{'#', 100 * time.Millisecond},
			{'2', 120 * time.Millisecond},
			{'0', 100 * time.Millisecond},
		}
		if d := cmp.Diff(want, a.digits); d != "" {
			t.Error(d)
		}
		out := b.heard()
		if len(out) != 2 || out[1].Seq != out[0].Seq+1 {
			t.Errorf("the dropped events leave a hole: %d packets", len(out))
		}
	})
}

func TestSendDigit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := pair(t, Config{}, linear, events)
		talk(5, a)
		b.heard()
		time.Sleep(time.Millisecond)
		b.flow.SendDigit(Digit{Rune: '5'})
		b.flow.SendDigit(Digit{'#', 60 * time.Millisecond})
		talk(30, a)
		var durations []uint16
		var marks, ends, sounds int
		out := b.heard()
		for i, p := range out {
			if i > 0 && p.Seq != out[i-1].Seq+1 {
				t.Errorf("sequence jumps from %d to %d", out[i-1].Seq, p.Seq)
			}
			if p.PT == 97 {
				sounds++
				continue
			}
			ev, err := rtp.ParseEvent(p.payload)
			if err != nil {
				t.Fatal(err)
			}
			durations = append(durations, ev.Duration)
			if p.Marker {
				marks++
			}
			if ev.End {
				ends++
			}
		}
		want := []uint16{160, 320, 480, 640, 800, 800, 800, 160, 320, 480, 480, 480}
		if d := cmp.Diff(want, durations); d != "" {
			t.Error(d)
		}
		if marks != 2 || ends != 6 || sounds < 15 {
			t.Errorf("%d marks, %d ends, %d packets of sound", marks, ends, sounds)
		}
		if out[len(out)-1].SSRC != a.ssrc || !b.flow.engine.pacer.idle() {
			t.Error("the SSRC changed, or the ticks go on")
		}
	})
}

func TestControlIsTranslatedAfterASplice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, bridge := pair(t, Config{}, linear)
		talk(3, a, b)
		bridge.Mute(0, true)
		talk(3, a, b)
		bridge.Mute(0, false)
		talk(1, a, b)
		heard := b.heard()
		last := heard[len(heard)-1]
		sentTime := a.time - 160

		report, err := rtcp.Marshal([]rtcp.Packet{
			&rtcp.SenderReport{SSRC: a.ssrc, RTPTime: sentTime, NTPTime: 5 << 32},
			rtcp.NewCNAMESourceDescription(a.ssrc, "a"),
		})
		if err != nil {
			t.Fatal(err)
		}
		b.control()
		a.send(true, netip.MustParseAddrPort("1.1.1.1:4001"), report)
		got := b.control()
		if len(got) != 1 || !got[0].control || got[0].to != netip.MustParseAddrPort("2.2.2.2:4001") {
			t.Fatalf("got %v", got)
		}
		packets, err := rtcp.Unmarshal(got[0].data)
		if err != nil {
			t.Fatal(err)
		}
		want := []rtcp.Packet{
			&rtcp.SenderReport{SSRC: last.SSRC, RTPTime: last.Time, NTPTime: 5 << 32},
			rtcp.NewCNAMESourceDescription(last.SSRC, "a"),
		}
		if d := cmp.Diff(want, packets, cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}

		// What b says of what it hears reaches a in a's numbers.
		time.Sleep(100 * time.Millisecond)
		a.control()
		reply, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: b.ssrc, Reports: []rtcp.ReceptionReport{{
			SSRC: last.SSRC, LastSequenceNumber: 1<<16 + uint32(last.Seq), FractionLost: 64, TotalLost: 3,
			LastSenderReport: 5 << 16, Delay: 1 << 16 / 20,
		}}}})
		if err != nil {
			t.Fatal(err)
		}
		b.send(false, b.addr, reply) // multiplexed, though a does not
		got = a.control()
		if packets, err = rtcp.Unmarshal(got[0].data); err != nil {
			t.Fatal(err)
		}
		block := packets[0].(*rtcp.ReceiverReport).Reports[0]
		if block.SSRC != a.ssrc || block.LastSequenceNumber != 1<<16+uint32(a.seq-1) || !got[0].control {
			t.Errorf("block %+v, want SSRC %d and sequence %d", block, a.ssrc, a.seq-1)
		}
		s := b.flow.Stats()
		if s.RTT.Round(time.Millisecond) != 50*time.Millisecond || s.FarLoss != 0.25 || s.FarLost != 3 {
			t.Errorf("RTT %v, loss %v, lost %d", s.RTT, s.FarLoss, s.FarLost)
		}
	})
}

func TestControlToAMuxedParty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := pair(t, Config{}, linear)
		r := b.remote(linear)
		r.Mux = true
		b.flow.Configure(r)
		talk(1, a, b)
		b.control()
		report := (&rtp.Report{SSRC: a.ssrc, CNAME: "a"}).Append(nil)
		a.send(true, netip.MustParseAddrPort("1.1.1.1:4001"), bytes.Clone(report))
		got := b.control()
		if len(got) != 1 || got[0].control || got[0].to != b.addr || !bytes.Equal(got[0].data, report) {
			t.Errorf("got %v", got)
		}
	})
}

func TestReportsOfOurOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a := newPhone(t, e, "1.1.1.1", pcmu)
		Join(a.flow, NewTone(e, Tone{}))
		for range 600 { // 12 s
			a.speak()
			time.Sleep(20 * time.Millisecond)
		}
		heard := a.heard()
		got := a.control()
		if len(got) != 2 {
			t.Fatalf("%d reports in 12 s, want 2", len(got))
		}
		packets, err := rtcp.Unmarshal(got[1].data)
		if err != nil {
			t.Fatal(err)
		}
		sr := packets[0].(*rtcp.SenderReport)
		if sr.SSRC != heard[0].SSRC || len(sr.Reports) != 1 || sr.Reports[0].SSRC != a.ssrc || sr.Reports[0].TotalLost != 0 {
			t.Errorf("report %+v", sr)
		}
		// The report's two times are one moment.
		for _, p := range heard {
			if p.sent.at.Equal(got[1].at) && p.Time != sr.RTPTime {
				t.Errorf("RTP time %d at a moment when %d was sent", sr.RTPTime, p.Time)
			}
		}
	})
}

func TestInvalidDatagramsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := pair(t, Config{}, linear)
		talk(1, a, b)
		b.heard()
		a.send(false, a.addr, []byte{0x80})
		a.send(false, a.addr, []byte("not RTP at all, is it"))
		a.send(false, a.addr, a.packet(rtp.Header{PT: 55}, nil))
		a.send(true, a.addr, []byte{0x80, 200, 0, 9, 0, 0, 0, 0})
		zrtp := []byte{0x10, 0, 0, 1, 0x5a, 0x52, 0x54, 0x50, 1, 2, 3, 4}
		a.send(false, stranger, bytes.Clone(zrtp))
		want := quality.Discarded{Malformed: 3, Unknown: 1, Strangers: 1}
		if d := cmp.Diff(want, a.flow.Stats().Discarded); d != "" {
			t.Error(d)
		}
		a.send(false, a.addr, bytes.Clone(zrtp))
		if got := b.control(); len(got) != 1 || !bytes.Equal(got[0].data, zrtp) || got[0].to != b.addr {
			t.Errorf("ZRTP came as %v", got)
		}
	})
}

func TestZRTPBothWaysPins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := pair(t, Config{}, linear)
		talk(1, a, b)
		zrtp := []byte{0x10, 0, 0, 1, 0x5a, 0x52, 0x54, 0x50, 1, 2, 3, 4}
		a.send(false, a.addr, zrtp)
		if b.flow.Terms().Pinned {
			t.Error("pinned by one side's wish")
		}
		b.send(false, b.addr, zrtp)
		if !a.flow.Terms().Pinned || !b.flow.Terms().Pinned {
			t.Error("both speak ZRTP and are not pinned")
		}
	})
}

// A process is killed; another goes on from what was written at the answer,
// ten minutes of sound ago.
func TestRestore(t *testing.T) {
	for _, spliced := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b, bridge := pair(t, Config{}, linear)
			talk(3, a, b)
			if spliced {
				bridge.Mute(0, true)
				bridge.Mute(0, false)
				talk(3, a, b)
			}
			written, err := json.Marshal([]RTPState{a.flow.State(), b.flow.State()})
			if err != nil {
				t.Fatal(err)
			}
			talk(30000, a)
			l := &listener{format: linear}
			heard := b.heard()
			l.hear(t, heard[len(heard)-1:])

			var states []RTPState
			if err := json.Unmarshal(written, &states); err != nil {
				t.Fatal(err)
			}
			e := newTestEngine(t, Config{})
			for i, p := range []*phone{a, b} {
				flow, err := e.Open(Audio, netip.IPv4Unspecified(), states[i].Port, p.flow.events)
				if err != nil {
					t.Fatal(err)
				}
				flow.Restore(states[i])
				flow.Configure(p.remote(linear))
				p.flow, p.socket = flow, flow.sock.(*fakeSocket)
			}
			Join(a.flow, b.flow)
			talk(3, a)
			l.hear(t, b.heard())
			if len(l.gaps) != 0 {
				t.Errorf("gaps %v", l.gaps)
			}
			if b.flow.line.rewriting != spliced {
				t.Errorf("rewriting %v, want %v", b.flow.line.rewriting, spliced)
			}
			a.send(false, stranger, a.packet(rtp.Header{PT: 97, Time: 1}, nil))
			if a.flow.Stats().Discarded.Strangers != 1 {
				t.Error("the latch did not survive")
			}
		})
	}
}

func TestPortsAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{First: 10001, Last: 10006}) // 10002 and 10004
		open := func() (*RTP, error) { return e.Open(Audio, netip.IPv4Unspecified(), 0, Events{}) }
		one, err1 := open()
		_, err2 := open()
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if _, err := open(); !errors.Is(err, ErrNoPorts) {
			t.Fatalf("got %v", err)
		}
		if used, total := e.Ports(); used != 2 || total != 2 {
			t.Errorf("%d of %d", used, total)
		}
		if _, err := e.Open(Audio, netip.IPv4Unspecified(), one.Port(), Events{}); err == nil {
			t.Error("a port was given twice")
		}
		one.Close()
		one.Close()
		if _, err := e.Open(Audio, netip.IPv4Unspecified(), one.Port(), Events{}); err != nil {
			t.Error(err)
		}
	})
	if _, err := NewEngine(Config{First: 10001, Last: 10002}); err == nil {
		t.Error("a range without a pair was taken")
	}
}

func TestCountsLossAndJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := pair(t, Config{}, linear)
		for i := range 1000 {
			if i%10 == 9 {
				a.seq, a.time = a.seq+1, a.time+160 // lost
			} else {
				a.speak()
			}
			time.Sleep(time.Duration(15+10*(i%2)) * time.Millisecond) // 5 ms early, 5 ms late
		}
		s := a.flow.Stats()
		if s.In.Packets != 900 || s.In.Octets != 900*320 || s.Lost != 99 { // the last loss is not seen yet
			t.Errorf("stats %+v", s)
		}
		if s.Jitter < 4 || s.Jitter > 6 {
			t.Errorf("jitter %v ms, want about 5", s.Jitter)
		}
	})
}

// In transcoding the sound has a line of its own, into which the events are
// put where it has come to.
func TestEventsPassBesideTranscodedSound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", pcmu, events), newPhone(t, e, "2.2.2.2", linear, events2)
		bridge := Join(a.flow, b.flow)
		talk(3, a)
		for i := range 5 {
			a.press(events, rtp.Event{Code: 3, Duration: uint16(160 * (i + 1)), End: i == 4}, i == 0)
			time.Sleep(20 * time.Millisecond)
		}
		a.time += 800
		talk(3, a)
		if bridge.Way() != WayTranscode || len(a.digits) != 0 {
			t.Errorf("way %v, told of %v", bridge.Way(), a.digits)
		}
		out := b.heard()
		if len(out) != 11 {
			t.Fatalf("%d packets, want 3 of sound, 5 of the event, 3 of sound", len(out))
		}
		for i, p := range out[1:] {
			if p.Seq != out[i].Seq+1 || p.SSRC != out[0].SSRC {
				t.Errorf("packet %d: %v after %v", i+1, p.Header, out[i].Header)
			}
		}
		for i, p := range out[3:8] {
			ev, err := rtp.ParseEvent(p.payload)
			if err != nil || p.PT != events2.PT || p.Time != out[3].Time || int(ev.Duration) != 960*(i+1) {
				t.Errorf("event packet %d: %v %+v %v", i, p.Header, ev, err)
			}
		}
		if gap := out[8].Time - out[2].Time; gap != 160*6 {
			t.Errorf("sound goes on %d ticks later, want %d", gap, 160*6)
		}
	})
}
