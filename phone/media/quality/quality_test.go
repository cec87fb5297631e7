package quality

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRatings(t *testing.T) {
	for _, c := range []struct {
		name string
		Conditions
		r, mos float64
	}{
		{"G.107's own default", Conditions{Codec: "pcmu"}, 93.2, 4.41},
		{"G.729", Conditions{Codec: "g729"}, 82.2, 4.11},
		{"a delay that nobody hears", Conditions{Codec: "pcma", Delay: 100 * time.Millisecond}, 93.2, 4.41},
		{"200 ms", Conditions{Codec: "pcma", Delay: 200 * time.Millisecond}, 90.16, 4.34},
		{"400 ms", Conditions{Codec: "pcma", Delay: 400 * time.Millisecond}, 69.13, 3.55},
		{"2 % lost", Conditions{Codec: "pcmu", Loss: 0.02}, 93.2 - 95*2/27.1, 4.235},
		{"2 % lost in bursts", Conditions{Codec: "pcmu", Loss: 0.02, Burst: 4}, 93.2 - 95*2/25.6, 4.222},
		{"20 % of G.729 lost", Conditions{Codec: "g729", Loss: 0.2}, 82.2 - 84*20/39., 2.03},
		{"all lost", Conditions{Codec: "pcmu", Loss: 1}, 93.2 - 95*100/125.1, 1.177},
		{"more than all", Conditions{Codec: "g729", Loss: 7, Delay: time.Hour}, 0, 1},
	} {
		if r, mos := c.R(), c.Score(); math.Abs(r-c.r) > 0.05 || math.Abs(mos-c.mos) > 0.01 {
			t.Errorf("%s: R %.2f, MOS %.3f; want %.2f, %.2f", c.name, r, mos, c.r, c.mos)
		}
	}
	for r := -10.0; r < 120; r += 0.5 {
		if a, b := MOS(r), MOS(r+0.5); a < 1 || b > 4.5 || r > 6.5 && b < a {
			t.Fatalf("MOS of R %.1f is %.2f, of the next %.2f", r, a, b)
		}
	}
}

// flow is a party's sound as a test makes it, a second at a time.
type flow struct {
	Facts
	w   Watch
	now time.Duration
	log []string
}

func newFlow() *flow {
	return &flow{now: time.Minute, Facts: Facts{
		Party: "102", Codec: "pcmu", Ptime: 20 * time.Millisecond, Should: true, Since: time.Minute,
		Told: netip.MustParseAddrPort("203.0.113.5:10000"), Named: netip.MustParseAddrPort("198.51.100.7:4000"),
		Hosts: []netip.Addr{netip.MustParseAddr("198.51.100.7")},
	}}
}

// run lets seconds pass. Of each, change may change the facts.
func (f *flow) run(seconds int, change func()) {
	for range seconds {
		if change != nil {
			change()
		}
		for _, n := range f.w.Look(&f.Facts, f.now) {
			verb := "begins"
			if n.Until > 0 {
				verb = "over"
			}
			f.log = append(f.log, fmt.Sprintf("%ds %s %s", int((f.now-time.Minute).Seconds()), n.Kind, verb))
		}
		f.now += time.Second
	}
}

// speaks is a second of sound of which every nth packet is lost, run in a row.
func (f *flow) speaks(lost, run int) func() {
	return func() {
		f.Received += uint64(50 - lost)
		f.Lost += int64(lost)
		if lost > 0 {
			f.Runs += uint64(lost / run)
		}
		f.Heard, f.Ever, f.Sent = f.now, true, f.Sent+50
		if int(f.now.Seconds())%5 == 0 {
			f.FarAt, f.ReportedAt = f.now, f.now
		}
	}
}

func TestGoodCallHasNoTrouble(t *testing.T) {
	f := newFlow()
	f.run(7200, f.speaks(0, 1))
	a := f.w.Account()
	in, out := a.Worst()
	if len(f.log) > 0 || len(a.Troubles) > 0 || in < 4.4 || out < 4.4 {
		t.Errorf("%v, %+v, MOS %v and %v", f.log, a.Troubles, in, out)
	}
	if n := len(a.Samples); n < MaxSamples/2 || n >= MaxSamples {
		t.Errorf("%d samples of two hours", n)
	}
	step := a.Samples[0].At
	for i, s := range a.Samples {
		if s.At != time.Duration(i+1)*step {
			t.Fatalf("sample %d is at %v, each spans %v", i, s.At, step)
		}
	}
}

func TestSilenceIsExplained(t *testing.T) {
	private := netip.MustParseAddrPort("192.168.1.5:10000")
	for name, c := range map[string]struct {
		change func(*flow)
		want   string
	}{
		"told a private address":     {func(f *flow) { f.Told = private }, "audio from 102 never arrived: its packets go to 192.168.1.5, a private address"},
		"same network":               {func(f *flow) { f.Told, f.Hosts = private, []netip.Addr{netip.MustParseAddr("192.168.1.9")} }, "a firewall or router"},
		"a firewall":                 {func(*flow) {}, "no packet has come to port 10000: a firewall"},
		"no microphone":              {func(f *flow) { f.ReportedAt, f.FarAt = f.now, f.now }, "sends reports but no sound"},
		"another codec":              {func(f *flow) { f.Unknown, f.UnknownPT = 9, 97 }, "payload type 97, which was not agreed"},
		"other keys":                 {func(f *flow) { f.Unread = 9 }, "cannot be decrypted"},
		"from elsewhere":             {func(f *flow) { f.Strangers, f.Stranger = 9, netip.MustParseAddrPort("192.0.2.1:99") }, "comes from 192.0.2.1:99"},
		"spoke, and is gone":         {func(f *flow) { f.Ever, f.Heard = true, f.now-time.Second }, "stopped: its network is gone"},
		"ICE, and a private address": {func(f *flow) { f.Led, f.Told, f.Named = true, private, private }, "nothing has come by any way that ICE tried"},
		"muted":                      {func(f *flow) { f.Ever, f.Heard, f.ReportedAt, f.FarAt = true, f.now-time.Second, f.now, f.now }, "it still reports: it is muted"},
		"IPv6 that is everywhere":    {func(f *flow) { f.Told = netip.MustParseAddrPort("[2001:db8::1]:10000") }, "a firewall"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFlow()
			c.change(f)
			f.run(20, nil)
			a := f.w.Account()
			if len(a.Troubles) == 0 || a.Troubles[0].Kind != Silent || !strings.Contains(a.Troubles[0].Text, c.want) {
				t.Fatalf("%+v", a.Troubles)
			}
			if from := a.Troubles[0].From; from > 5*time.Second {
				t.Errorf("noticed after %v", from)
			}
			f.run(3, f.speaks(0, 1))
			if a := f.w.Account(); a.Troubles[0].Until == 0 {
				t.Errorf("it lasts: %+v", a.Troubles[0])
			}
		})
	}
}

func TestNoSilenceWhereNoneIs(t *testing.T) {
	for name, change := range map[string]func(*flow){
		"held":           func(f *flow) { f.Should = false },
		"speech pauses":  func(f *flow) { f.Pauses, f.Ever, f.Heard = true, true, f.now },
		"just picked up": func(f *flow) { f.Since = f.now + time.Hour },
	} {
		f := newFlow()
		change(f)
		f.run(60, nil)
		if len(f.log) > 0 {
			t.Errorf("%s: %v", name, f.log)
		}
	}
}

func TestOneWayIsExplained(t *testing.T) {
	f := newFlow()
	f.Named = netip.MustParseAddrPort("10.0.0.7:4000")
	f.run(6, nil)
	if a := f.w.Account(); len(a.Troubles) != 2 || !strings.Contains(a.Troubles[1].Text, "goes to 10.0.0.7, a private address that it named") {
		t.Errorf("behind a NAT: %+v", a.Troubles)
	}
	f = newFlow()
	f.run(30, func() {
		f.speaks(0, 1)()
		f.FarAt = 0 // its reports say nothing of us
	})
	if a := f.w.Account(); len(a.Troubles) != 1 || a.Troubles[0].Kind != Deaf || !strings.Contains(a.Troubles[0].Text, "as its reports say") {
		t.Errorf("reports without us: %+v", a.Troubles)
	}
}

func TestTroublesOfTheWay(t *testing.T) {
	for name, c := range map[string]struct {
		bad  func(*flow)
		kind Kind
		want string
	}{
		"loss":   {func(f *flow) { f.speaks(6, 3)() }, LossyIn, "12 % of the audio from 102 is lost on its way here, 3 in a row"},
		"far":    {func(f *flow) { f.speaks(0, 1)(); f.FarLoss = 0.2 }, LossyOut, "102 says that 20 % of the audio to it is lost"},
		"jitter": {func(f *flow) { f.speaks(0, 1)(); f.Jitter = 80 }, Uneven, "unevenly, by 80 ms"},
		"delay":  {func(f *flow) { f.speaks(0, 1)(); f.RTT = 700 * time.Millisecond }, Late, "350 ms between 102 and this server"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFlow()
			f.run(31, f.speaks(0, 1))
			f.run(5, func() { c.bad(f) }) // a moment
			f.FarLoss, f.Jitter, f.RTT = 0, 0, 0
			f.run(30, f.speaks(0, 1))
			if len(f.log) > 0 {
				t.Fatalf("a moment is told: %v", f.log)
			}
			f.run(60, func() { c.bad(f) })
			f.FarLoss, f.Jitter, f.RTT = 0, 0, 0
			f.run(60, f.speaks(0, 1))
			a := f.w.Account()
			if len(a.Troubles) != 1 || a.Troubles[0].Kind != c.kind || !strings.Contains(a.Troubles[0].Text, c.want) {
				t.Fatalf("%+v", a.Troubles)
			}
			if tr := a.Troubles[0]; tr.From-66*time.Second > 15*time.Second || tr.Until == 0 || tr.Until-126*time.Second > 15*time.Second {
				t.Errorf("from %v until %v", tr.From, tr.Until)
			}
			if in, out := a.Worst(); min(in, out) > 4.39 {
				t.Errorf("rated %v and %v at worst", in, out)
			}
		})
	}
}

func TestTroublesAreBounded(t *testing.T) {
	f := newFlow()
	for range 3 * maxTroubles {
		f.run(6, nil)
		f.run(2, f.speaks(0, 1))
	}
	if n := len(f.w.Account().Troubles); n != maxTroubles {
		t.Errorf("%d troubles are kept", n)
	}
	if n := len(f.log); n != 6*maxTroubles {
		t.Errorf("%d are told", n)
	}
}

func TestAccountInJSON(t *testing.T) {
	f := newFlow()
	f.run(60, f.speaks(4, 2))
	f.RTT = 30 * time.Millisecond
	f.Reported = &Reported{Loss: 0.1, R: 80, MOS: 4}
	f.run(60, nil)
	a := f.w.Account()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var back Account
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(a, back); d != "" || len(a.Samples) < 10 || len(a.Troubles) < 2 {
		t.Errorf("%s\n%s", b, d)
	}
	if most := 60 * len(a.Samples); len(b)-600 > most {
		t.Errorf("%d bytes of %d samples", len(b), len(a.Samples))
	}
	for _, bad := range []string{`{"samples":[{}]}`, `{"troubles":[{"kind":"x"}]}`} {
		if json.Unmarshal([]byte(bad), &back) == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
