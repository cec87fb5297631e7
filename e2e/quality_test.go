package e2e

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// fared is how a call's parties sound, as `tincan quality --json` tells it.
type fared struct {
	Stands  bool   `json:"stands"`
	Ended   string `json:"ended"`
	Parties []struct {
		Party   string       `json:"party"`
		Samples [][8]float32 `json:"samples"`

		Reported *struct {
			Loss float64 `json:"loss"`
			MOS  float64 `json:"mos"`
			R    int     `json:"r"`
		} `json:"reported"`

		Discarded struct{ Strangers, Malformed, Unknown, Forged, Replayed uint64 } `json:"discarded"`

		Troubles []struct {
			Kind  string        `json:"kind"`
			Text  string        `json:"text"`
			From  time.Duration `json:"from"`
			Until time.Duration `json:"until"`
		} `json:"troubles"`
	} `json:"parties"`
}

// says tells whether a party has a trouble whose text holds words, and that is over
// if it must be.
func (f *fared) says(words string, over bool) bool {
	for _, p := range f.Parties {
		for _, t := range p.Troubles {
			if strings.Contains(t.Text, words) && (!over || t.Until > 0) {
				return true
			}
		}
	}
	return false
}

// verdictPatience is how long a trouble may take to be named: what reports say needs
// three of them, of 5 s each.
const verdictPatience = 40 * time.Second

// awaitFared asks for the quality of a call until it is as ok wants.
func (s *server) awaitFared(t *testing.T, id string, ok func(*fared) bool) (f fared) {
	t.Helper()
	deadline := time.NewTimer(verdictPatience)
	defer deadline.Stop()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		f = fared{}
		if s.list(t, &f, "quality", id); ok(&f) {
			return f
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("the quality is never as it should be:\n%s\n%s", s.tincan(t, "quality", id), s.tincan(t, "calls"))
		}
	}
}

// onlyCall is the ID of the one call there is.
func (s *server) onlyCall(t *testing.T) string {
	t.Helper()
	var calls []struct{ ID string }
	if s.list(t, &calls, "calls"); len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	return calls[0].ID
}

// Two places with public addresses and a cable between them: the server and Bob at
// one end, Ada at the other.
const farIP = "198.51.100.2"

func newFarPlace(t *testing.T) (here, far peer.Netns, link *peer.Link) {
	t.Helper()
	peer.NeedRoot(t)
	peer.Need(t, "ip")
	world := internet{}
	id := fmt.Sprintf("%d-%d", os.Getpid(), places.Add(1))
	here, far = peer.Netns("tc-here-"+id), peer.Netns("tc-far-"+id)
	for _, ns := range []peer.Netns{here, far} {
		world.ip(t, "netns", "add", string(ns))
		t.Cleanup(func() { world.ip(t, "netns", "delete", string(ns)) })
		world.ip(t, "-n", string(ns), "link", "set", "lo", "up")
	}
	return here, far, peer.NewLink(t, here, publicIP, far, farIP)
}

// places counts those that were made.
var places atomic.Int64

// farCall is a call between Ada, far away, and Bob.
type farCall struct {
	*server
	a, b *peer.Baresip
	far  peer.Netns
	link *peer.Link
	id   string
}

func newFarCall(t *testing.T, where place) *farCall {
	t.Helper()
	here, far, link := newFarPlace(t)
	where.ip, where.netns = publicIP, here
	c := &farCall{server: startServerAt(t, where, people(ada, bob)), far: far, link: link}
	c.a = baresip(t, c.server, ada, func(a *peer.Account) { a.IP, a.Netns = farIP, far })
	c.b = baresip(t, c.server, bob, func(a *peer.Account) { a.IP, a.Netns = publicIP, here })
	return c
}

func (c *farCall) connect(t *testing.T) {
	t.Helper()
	connect(t, c.a, c.b, bob)
	c.id = c.onlyCall(t)
}

// ends hangs up and wants the record to say words too.
func (c *farCall) ends(t *testing.T, words ...string) {
	t.Helper()
	hangUp(t, c.a, c.b)
	c.awaitNoCalls(t)
	var f fared
	c.list(t, &f, "quality", c.id)
	for _, w := range words {
		if f.Stands || !f.says(w, false) {
			t.Errorf("the record says nothing of %q: %+v", w, f)
		}
	}
}

// misled lets Ada, who was told an address that leads nowhere, reach the server at it
// by SIP alone, as where a proxy or a tunnel carries that.
func (c *farCall) misled(t *testing.T) {
	t.Helper()
	peer.Need(t, "nft")
	world := internet{}
	world.ip(t, "-n", string(c.far), "route", "add", nowhereIP, "via", publicIP)
	world.run(t, "ip", "netns", "exec", string(c.far), "nft", fmt.Sprintf(
		"add table ip way; add chain ip way out { type nat hook output priority -100; }; add rule ip way out ip daddr %s udp dport %d dnat to %s", nowhereIP, c.sip, publicIP))
}

// nowhereIP is a private address that is nobody's.
const nowhereIP = "192.168.1.5"

// sound tells whether a packet is the server's RTP, or RTP to it.
func (c *farCall) sound(packet []byte) bool {
	from, to, ok := peer.UDPPorts(packet)
	within := func(port int) bool { return port >= c.rtp.first && port <= c.rtp.last && port%2 == 0 }
	return ok && (within(from) || within(to))
}

// Each fault of the way is named, in words, while it lasts and in the call's record.
func TestQualityNamesWhatIsWrongOnTheWay(t *testing.T) {
	t.Parallel()
	const far = 300 * time.Millisecond
	faults := []string{
		" % of the audio from 101 is lost on its way here",
		"101 says that ",
		"audio from 101 comes unevenly",
		"between 101 and this server, one way",
	}
	call := newFarCall(t, place{})
	call.connect(t)
	hearEachOther(t, call.a, adaTone, call.b, bobTone)
	good := call.awaitFared(t, call.id, func(f *fared) bool {
		return len(f.Parties) == 2 && len(f.Parties[0].Samples) > 0 && len(f.Parties[1].Samples) > 0
	})
	for _, p := range good.Parties {
		if mos := p.Samples[0][1]; len(p.Troubles) > 0 || mos < 4 {
			t.Errorf("before anything is wrong %s has MOS %v and %+v", p.Party, mos, p.Troubles)
		}
	}
	call.link.Weather(peer.Weather{Loss: 0.2, Delay: far}, peer.Weather{Loss: 0.15, Run: 3, Delay: far, Jitter: time.Second})
	for _, says := range faults {
		call.awaitFared(t, call.id, func(f *fared) bool { return f.says(says, false) })
	}
	call.link.Weather(peer.Weather{}, peer.Weather{})
	for _, says := range faults {
		call.awaitFared(t, call.id, func(f *fared) bool { return f.says(says, true) })
	}
	call.ends(t, faults...)
}

// Sound that does not arrive is noticed within 5 s and explained. (A baresip that
// hears the server sends to where that comes from, whatever it was told.)
func TestQualityExplainsSilence(t *testing.T) {
	sound := func(c *farCall) peer.Weather { return peer.Weather{Drop: c.sound} }
	clear := func(*farCall) peer.Weather { return peer.Weather{} }
	for _, c := range []struct {
		name           string
		where          place
		toAda, fromAda func(*farCall) peer.Weather
		says           string
	}{
		{"told-private", place{external: nowhereIP, sip: fmt.Sprintf("local = [\"%s/32\"]", publicIP)}, sound, clear, "audio from 101 never arrived: its packets go to " + nowhereIP + ", a private address"},
		{"firewall-here", place{}, clear, sound, "audio from 101 never arrived: it sends reports but no sound"},
		{"firewall-all", place{}, clear, func(c *farCall) peer.Weather {
			return peer.Weather{Drop: func(b []byte) bool {
				_, to, ok := peer.UDPPorts(b)
				return ok && to >= c.rtp.first && to <= c.rtp.last
			}}
		}, "audio from 101 never arrived: no packet has come to port "},
		{"firewall-there", place{}, sound, clear, "audio to 101 does not arrive, as its reports say"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			call := newFarCall(t, c.where)
			if c.where.external != "" {
				call.misled(t)
			}
			call.link.Weather(c.toAda(call), c.fromAda(call))
			call.connect(t)
			f := call.awaitFared(t, call.id, func(f *fared) bool { return f.says(c.says, false) })
			for _, p := range f.Parties {
				for _, trouble := range p.Troubles {
					if trouble.Kind == "no-audio" && trouble.From > 6*time.Second {
						t.Errorf("%q is noticed after %v", trouble.Text, trouble.From)
					}
				}
			}
			call.ends(t, c.says)
		})
	}
}

// A party that is gone in the middle of a call is noticed, and when it is back.
func TestQualityNoticesAPartyThatIsGone(t *testing.T) {
	t.Parallel()
	const says = "audio from 101 stopped"
	call := newFarCall(t, place{})
	call.connect(t)
	hearEachOther(t, call.a, adaTone, call.b, bobTone)
	call.link.Weather(peer.Weather{Loss: 1}, peer.Weather{Loss: 1})
	call.awaitFared(t, call.id, func(f *fared) bool { return f.says(says, false) })
	if calls := string(call.tincan(t, "calls")); !strings.Contains(calls, says) {
		t.Errorf("tincan calls says nothing of it:\n%s", calls)
	}
	call.link.Weather(peer.Weather{}, peer.Weather{})
	call.awaitFared(t, call.id, func(f *fared) bool { return f.says(says, true) })
	hearEachOther(t, call.a, adaTone, call.b, bobTone)
	call.ends(t, says)
}

// A phone behind a NAT that names its private address and whose sound does not get
// out cannot be reached either, and that is said.
func TestQualityExplainsAPhoneThatCannotBeReached(t *testing.T) {
	t.Parallel()
	world := newInternet(t)
	s := startServerAt(t, place{ip: publicIP, netns: world.public}, people(ada, bob))
	a, b := world.phones(t, s)
	world.run(t, "ip", "netns", "exec", string(world.lan), "nft", fmt.Sprintf(
		"add table ip wall; add chain ip wall out { type filter hook output priority 0; }; add rule ip wall out udp dport %d-%d drop", s.rtp.first, s.rtp.last))
	connect(t, a, b, bob)
	id := s.onlyCall(t)
	s.awaitFared(t, id, func(f *fared) bool {
		return f.says("audio to 101 goes to "+phoneIP+", a private address that it named", false) && f.says("audio from 101 never arrived", false)
	})
	hangUp(t, a, b)
}
