package media

import (
	"encoding/json"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/media/rtp"
)

// From the private address that it signals nothing ever comes; its signalling
// comes from what the NAT made of it.
var (
	outside  = netip.MustParseAddrPort("9.9.9.9:9000")
	mediaNAT = netip.MustParseAddrPort("7.7.7.7:7000") // a NAT of many addresses: another for media
)

// latchStep is a packet, and what is to become of it.
type latchStep struct {
	after time.Duration // since the one before
	from  netip.AddrPort
	what  string // "" sound of a source, "next" going on, "foreign" payload type, "rtcp"
	want  bool   // it is heard
	to    netip.AddrPort
}

func TestLatchPrefersExpectedHosts(t *testing.T) {
	signalled := netip.MustParseAddrPort("1.1.1.1:4000")
	otherPort := netip.MustParseAddrPort("1.1.1.1:4444")
	cases := map[string][]latchStep{
		"the signalled host at once, whatever the port": {{0, otherPort, "", true, otherPort}},
		"the signalling's host at once":                 {{0, outside, "", true, outside}},
		"a stranger never before 2 s": {
			{0, stranger, "", false, signalled},
			{1999 * time.Millisecond, stranger, "", false, signalled},
			{0, outside, "", true, outside},
			{0, stranger, "", false, outside},
		},
		"a stranger after 2 s without anybody": {
			{2 * time.Second, mediaNAT, "", true, mediaNAT},
			{time.Second, mediaNAT, "", true, mediaNAT},
		},
		"not by what is not agreed": {
			{3 * time.Second, stranger, "foreign", false, signalled},
			{0, stranger, "rtcp", false, signalled},
		},
		"an expected host takes back at once": {
			{2 * time.Second, stranger, "", true, stranger},
			{20 * time.Millisecond, outside, "", true, outside},
			{20 * time.Millisecond, stranger, "", false, outside},
			{3 * time.Second, stranger, "", false, outside}, // another SSRC
		},
		"anything of an expected host keeps strangers waiting": {
			{1500 * time.Millisecond, outside, "foreign", false, signalled},
			{1500 * time.Millisecond, stranger, "", false, signalled},
			{500 * time.Millisecond, stranger, "", true, stranger},
		},
		"one who goes on is not doubted": {
			{0, outside, "next", true, outside},
			{2 * time.Second, mediaNAT, "next", true, mediaNAT},
			{20 * time.Millisecond, outside, "", false, mediaNAT},
		},
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, _ := pair(t, Config{}, linear)
				time.Sleep(time.Minute) // rang; the latch opens with the description
				r := a.remote(linear)
				r.RTP, r.Hosts = netip.MustParseAddrPort("1.1.1.1:3999"), []netip.Addr{outside.Addr()}
				a.flow.Configure(r)
				r.RTP = signalled
				a.flow.Configure(r)
				for i, s := range steps {
					time.Sleep(s.after)
					a.latchSend(s)
					if got := len(b.heard()) == 1; got != s.want {
						t.Errorf("step %d: heard %v, want %v", i, got, s.want)
					}
					if got := a.flow.Stats().Remote; got != s.to {
						t.Errorf("step %d: media goes to %v, want %v", i, got, s.to)
					}
				}
			})
		})
	}
}

func (p *phone) latchSend(s latchStep) {
	h := rtp.Header{PT: 97}
	switch s.what {
	case "rtcp":
		p.send(false, s.from, (&rtp.Report{SSRC: 6, CNAME: "x"}).Append(nil))
		return
	case "foreign":
		h.PT = 55
	case "":
		own := p.ssrc
		p.ssrc = uint32(s.from.Port()) // each has its own
		defer func() { p.ssrc = own }()
	}
	p.send(false, s.from, p.packet(h, make([]byte, 320)))
}

// A host name in c= gives no address: who signals is all that is known.
func TestLatchWithoutASignalledAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		time.Sleep(time.Minute)
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		flow, err := e.Open(Audio, netip.IPv4Unspecified(), 0, Events{})
		if err != nil {
			t.Fatal(err)
		}
		a.flow, a.socket = flow, flow.sock.(*fakeSocket)
		time.Sleep(time.Minute)
		r := a.remote(linear)
		r.RTP, r.Hosts = netip.AddrPort{}, []netip.Addr{outside.Addr()}
		a.flow.Configure(r)
		Join(a.flow, b.flow)
		a.latchSend(latchStep{from: stranger})
		a.latchSend(latchStep{from: outside})
		if n := len(b.heard()); n != 1 || a.flow.Stats().Remote != outside {
			t.Errorf("%d packets passed, want the party's one; media goes to %v", n, a.flow.Stats().Remote)
		}
	})
}

// A restart does not make a doubtful latch a firm one.
func TestDoubtOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := pair(t, Config{}, linear)
		r := a.remote(linear)
		r.Hosts = []netip.Addr{outside.Addr()}
		a.flow.Configure(r)
		time.Sleep(2 * time.Second)
		a.latchSend(latchStep{from: stranger})
		written, err := json.Marshal(a.flow.State())
		if err != nil {
			t.Fatal(err)
		}
		var state RTPState
		if err := json.Unmarshal(written, &state); err != nil {
			t.Fatal(err)
		}
		flow, err := newTestEngine(t, Config{}).Open(Audio, netip.IPv4Unspecified(), state.Port, Events{})
		if err != nil {
			t.Fatal(err)
		}
		a.flow, a.socket = flow, flow.sock.(*fakeSocket)
		a.flow.Configure(r)
		a.flow.Restore(state)
		Join(a.flow, b.flow)
		b.heard()
		a.latchSend(latchStep{from: stranger})
		a.latchSend(latchStep{from: outside})
		if n := len(b.heard()); n != 2 || a.flow.Stats().Remote != outside {
			t.Errorf("%d packets passed, want 2; media goes to %v", n, a.flow.Stats().Remote)
		}
	})
}
