package media

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"

	"tincan/phone/codec"
	"tincan/phone/media/quality"
	"tincan/phone/media/rtp"
)

var toldAddr = netip.MustParseAddrPort("9.9.9.9:10000")

// judged is a bridged pair whose a is judged; the troubles are collected.
func judged(t *testing.T, formats ...codec.Format) (a, b *phone, troubles *[]quality.Trouble) {
	t.Helper()
	a, b, _ = pair(t, Config{}, formats...)
	troubles = new([]quality.Trouble)
	a.flow.events.Trouble = func(x quality.Trouble) { *troubles = append(*troubles, x) }
	a.flow.Judge("101", toldAddr)
	return a, b, troubles
}

// seconds lets both talk; each of a's packets goes through way, nil: as it is.
func seconds(n int, a, b *phone, way func(i int)) {
	for i := range n * 50 {
		if way == nil {
			a.speak()
		} else {
			way(i)
		}
		b.speak()
		time.Sleep(20 * time.Millisecond)
	}
	synctest.Wait()
}

func TestFlowKnowsWhatIsWrong(t *testing.T) {
	stranger := netip.MustParseAddrPort("6.6.6.6:4000")
	for name, c := range map[string]struct {
		way  func(a *phone) func(int)
		kind quality.Kind
		want string
	}{
		"nothing":       {func(*phone) func(int) { return func(int) {} }, quality.Silent, "no packet has come to port 10000"},
		"another codec": {func(a *phone) func(int) { a.format.PT = 77; return nil }, quality.Silent, "payload type 77"},
		"from elsewhere": {func(a *phone) func(int) {
			return func(int) { a.send(false, stranger, a.packet(rtp.Header{}, make([]byte, 160))) }
		}, quality.Silent, ""},
		"losses in threes":  {func(a *phone) func(int) { return func(i int) { lose(a, i%30 < 3) } }, quality.LossyIn, " % of the audio from 101 is lost on its way here, 3 in a row"},
		"packets in flocks": {func(a *phone) func(int) { return func(i int) { flock(a, i) } }, quality.Uneven, "audio from 101 comes unevenly"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, troubles := judged(t, pcmu)
				if name == "from elsewhere" { // and the true one is trusted to be at its host
					r := a.remote(pcmu)
					r.Trusted = true
					a.flow.Configure(r)
				}
				seconds(15, a, b, c.way(a))
				found := *troubles
				if len(found) != 1 || found[0].Kind != c.kind || !strings.Contains(found[0].Text, c.want) {
					t.Fatalf("%+v", found)
				}
				if name == "from elsewhere" && !strings.Contains(found[0].Text, stranger.String()) {
					t.Errorf("%q does not say who", found[0].Text)
				}
				a.format.PT = 0
				seconds(12, a, b, nil)
				found = *troubles
				if len(found) != 2 || found[1].Kind != c.kind || found[1].Until == 0 {
					t.Errorf("it is not over: %+v", found)
				}
				if kept := a.flow.Account().Troubles; len(kept) != 1 || kept[0].Until == 0 {
					t.Errorf("kept: %+v", kept)
				}
			})
		})
	}
}

// lose says the next packet, or loses it on the way.
func lose(a *phone, it bool) {
	if !it {
		a.speak()
		return
	}
	a.seq++
	a.time += 160
}

// flock says ten packets at once, as a Wi-Fi that sleeps between.
func flock(a *phone, i int) {
	if i%10 != 0 {
		return
	}
	for range 10 {
		a.speak()
	}
}

// Held, or not joined to anybody, nobody misses a party.
func TestNoTroubleWhereNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, bridge := pair(t, Config{}, pcmu)
		var troubles []quality.Trouble
		a.flow.events.Trouble = func(x quality.Trouble) { troubles = append(troubles, x) }
		bridge.Close()
		a.flow.Judge("101", toldAddr)
		time.Sleep(time.Minute)
		bridge = Join(a.flow, b.flow)
		seconds(2, a, b, nil)
		bridge.Mute(0, true)
		bridge.Mute(1, true)
		time.Sleep(time.Minute)
		bridge.Mute(0, false)
		bridge.Mute(1, false)
		seconds(6, a, b, nil)
		if len(troubles) > 0 {
			t.Errorf("%+v", troubles)
		}
	})
}

// Parties whose reports cross name the report before the last.
func TestRoundTripOfReportsThatCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := judged(t, pcmu)
		talk(2, a, b)
		const one = 5 << 16
		for i := range uint64(3) {
			b.send(true, netip.MustParseAddrPort("2.2.2.2:4001"), marshal(t, &rtcp.SenderReport{SSRC: b.ssrc, RTPTime: b.time, NTPTime: (i + 5) << 32}))
			time.Sleep(100 * time.Millisecond)
		}
		a.send(true, netip.MustParseAddrPort("1.1.1.1:4001"), marshal(t, &rtcp.ReceiverReport{SSRC: a.ssrc, Reports: []rtcp.ReceptionReport{{
			SSRC: b.ssrc, LastSenderReport: one, Delay: 1 << 16 / 10,
		}}}))
		if rtt := a.flow.Stats().RTT.Round(time.Millisecond); rtt != 200*time.Millisecond {
			t.Errorf("there and back in %v", rtt)
		}
	})
}

func TestExtendedReportIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := judged(t, pcmu)
		talk(2, a, b)
		metrics := &rtcp.VoIPMetricsReportBlock{
			XRHeader: rtcp.XRHeader{BlockType: rtcp.VoIPMetricsReportBlockType, BlockLength: 8},
			SSRC:     b.ssrc, LossRate: 64, DiscardRate: 32, BurstDensity: 128, BurstDuration: 300, RoundTripDelay: 45, EndSystemDelay: 60,
			RFactor: 80, MOSLQ: 39, MOSCQ: 127,
		}
		say := func(ssrc uint32) {
			metrics.SSRC = ssrc
			a.send(true, netip.MustParseAddrPort("1.1.1.1:4001"), marshal(t,
				&rtcp.ReceiverReport{SSRC: a.ssrc}, &rtcp.ExtendedReport{SenderSSRC: a.ssrc, Reports: []rtcp.ReportBlock{metrics}}))
			time.Sleep(2 * time.Second)
		}
		if say(4711); a.flow.Account().Reported != nil {
			t.Error("a report on another stream is taken for ours")
		}
		say(b.ssrc)
		got := a.flow.Account().Reported
		want := quality.Reported{Loss: 0.25, Discard: 0.125, Delay: 45 * time.Millisecond, End: 60 * time.Millisecond, R: 80, MOS: 3.9, BurstMS: 300, BurstShare: 0.5}
		if got == nil || *got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func marshal(t *testing.T, packets ...rtcp.Packet) []byte {
	t.Helper()
	b, err := rtcp.Marshal(packets)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
