package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// joined are two servers, a trunk by IAX2 between them that near registers for, with
// more settings on both sides.
func joined(t *testing.T, far, near place, more string) (f, n *server) {
	t.Helper()
	const iax2 = "protocol = \"iax2\"\n"
	f = startServerAt(t, far, people(bob)+sister(bob, iax2+registersHere+"\n"+more))
	n = startServerAt(t, near, people(ada)+sister(ada, iax2+registersAt(f.addressIAX2(), more)))
	n.awaitTrunk(t, "sister", "registered")
	f.awaitTrunk(t, "sister", "registered here")
	return f, n
}

var loopback = place{ip: "127.0.0.1"}

// TestTincansJoinedByIAX2: phones by SIP at both ends, wide-band sound between, and
// keys across.
func TestTincansJoinedByIAX2(t *testing.T) {
	for name, more := range map[string]string{
		"in the clear":       `encryption = "off"`,
		"encrypted":          `encryption = "required"`,
		"trunked":            "trunking = true\nencryption = \"off\"",
		"trunked, encrypted": "trunking = true\nencryption = \"required\"",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far, near := joined(t, loopback, loopback, more)
			a, b := baresip(t, near, ada, codec("g722")), baresip(t, far, bob, codec("g722"))
			talkAcross(t, a, b)
			connect(t, a, b, "9"+bob)
			if got := callees(t, near); !strings.Contains(got, "g722") {
				t.Errorf("the call is carried as %s", got)
			}
			a.Digit(t, "5")
			b.AwaitDigit(t, "5")
			hangUp(t, b, a)
			near.awaitNoCalls(t)
			far.awaitNoCalls(t)
			near.Signal(t, syscall.SIGTERM)
			near.Wait(t, peer.Patience)
			far.awaitTrunk(t, "sister", "not registered here")
		})
	}
}

// callees are the codecs of the calls that stand.
func callees(t *testing.T, s *server) string {
	t.Helper()
	return string(s.tincan(t, "calls", "--json"))
}

// TestIAX2CallOutlivesKill: the server between is killed, and both hear each other
// again.
func TestIAX2CallOutlivesKill(t *testing.T) {
	t.Parallel()
	far, near := joined(t, loopback, loopback, `encryption = "required"`)
	a, b := baresip(t, near, ada), baresip(t, far, bob)
	connect(t, a, b, "9"+bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	near.crash(t)
	hearEachOther(t, a, adaTone, b, bobTone)
	far.crash(t)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

// TestOneUDPPortIsEnough: all that leaves the home of a server is UDP to one port.
func TestOneUDPPortIsEnough(t *testing.T) {
	h := newHomes(t, 1)
	const iax2 = "protocol = \"iax2\"\n"
	far := startServerAt(t, place{ip: publicIP, netns: h.public}, people(bob)+sister(bob, iax2+registersHere))
	h.home[0].letsUDPOut(t, far.iax2)
	near := startServerAt(t, place{ip: h.home[0].inside, netns: h.home[0].lan}, people(ada)+sister(ada, iax2+registersAt(far.addressIAX2(), "")))
	near.awaitTrunk(t, "sister", "registered")
	a := baresip(t, near, ada, func(a *peer.Account) { a.IP, a.Netns = h.home[0].inside, h.home[0].lan })
	b := baresip(t, far, bob, func(b *peer.Account) { b.IP, b.Netns = publicIP, h.public })
	talkAcross(t, a, b)
}

// letsUDPOut drops all else that leaves the home.
func (o home) letsUDPOut(t *testing.T, port int) {
	t.Helper()
	command := exec.Command("ip", "netns", "exec", string(o.nat), "nft", "-f", "-")
	command.Stdin = strings.NewReader(fmt.Sprintf(`table ip narrow {
	chain out {
		type filter hook forward priority -10
		iifname "in" udp dport %d accept
		iifname "in" drop
	}
}
`, port))
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, output)
	}
}

// Calls that share the packets of one trunk.
const (
	manyCalls   = 50
	manyCallFor = 20 * time.Second
)

// TestFiftyCallsShareTrunkFrames: fifty encrypted calls in one trunk, and who listens
// among them hears what he should.
func TestFiftyCallsShareTrunkFrames(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of fifty calls")
	}
	from := peer.FreePort(t)
	far, near := joined(t, loopback, loopback, "trunking = true\nencryption = \"required\"")
	far.apply(t, people(bob)+sister(bob, "protocol = \"iax2\"\n"+registersHere+"\ntrunking = true\nencryption = \"required\"")+
		"[[route]]\nfrom = \"trunk:sister\"\nnumber = \"2000\"\nto = \"app:tone/ring\"\n")
	near.apply(t, people(ada)+sister(ada, "protocol = \"iax2\"\n"+registersAt(far.addressIAX2(), "trunking = true\nencryption = \"required\""))+
		trunkAt("load", from)+"[[route]]\nfrom = \"trunk:load\"\nnumber = \"9000\"\nto = \"trunk:sister/2000\"\n")
	caller := peer.StartSIPp(t, peer.SIPp{
		Scenario: "testdata/caller.xml", Remote: near.address(), Service: "9000", Port: from,
		Calls: manyCalls, Rate: manyCalls / 2, Args: []string{"-d", fmt.Sprint(manyCallFor.Milliseconds())},
	})
	a, b := baresip(t, near, ada, codec("g722")), baresip(t, far, bob, codec("g722"))
	for near.callCount(t) < manyCalls {
		time.Sleep(100 * time.Millisecond)
	}
	connect(t, a, b, "9"+bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	before := far.metrics(t)["tincan_iax2_sent_total"]
	since := time.Now()
	hearEachOther(t, a, adaTone, b, bobTone)
	time.Sleep(2 * time.Second)
	perSecond := (far.metrics(t)["tincan_iax2_sent_total"] - before) / time.Since(since).Seconds()
	if alone := 50.0 * manyCalls; perSecond > alone/4 {
		t.Errorf("%.0f datagrams a second for %d calls: %.0f would do without trunking", perSecond, manyCalls, alone)
	}
	hangUp(t, a, b)
	peer.AwaitSuccess(t, caller, manyCallFor+peer.Patience)
	near.awaitNoCalls(t)
	far.awaitNoCalls(t)
}

// TestTransferAndHoldAcrossIAX2: who is called by IAX2 is held, heard again, and handed
// to another phone, with another codec, while the far end notices nothing.
func TestTransferAndHoldAcrossIAX2(t *testing.T) {
	t.Parallel()
	const iax2 = "protocol = \"iax2\"\n"
	far := startServer(t, people(bob, eve)+sister(bob, iax2+registersHere))
	near := startServer(t, people(ada)+sister(ada, iax2+registersAt(far.addressIAX2(), "")))
	near.awaitTrunk(t, "sister", "registered")
	a, b, c := baresip(t, near, ada, codec("g722")), linphone(t, far, bob), baresip(t, far, eve, codec("pcma"))
	connect(t, a, b, "9"+bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	b.Hold(t)
	a.Ear().HearsNot(t, bobTone)
	b.Resume(t)
	hearEachOther(t, a, adaTone, b, bobTone)
	b.Transfer(t, far.uri(eve))
	c.AwaitIncoming(t)
	c.Answer(t)
	c.AwaitEstablished(t)
	hearEachOther(t, a, adaTone, c, eveTone)
	b.AwaitClosed(t)
	hangUp(t, a, c)
	near.awaitNoCalls(t)
	far.awaitNoCalls(t)
}

// TestPicturesAcrossIAX2: two phones see each other across two servers, and again after
// a hold: wishes for a whole picture cross too.
func TestPicturesAcrossIAX2(t *testing.T) {
	t.Parallel()
	near, away, link := newFarPlace(t)
	toAda, toBob := &film{}, &film{}
	link.Weather(peer.Weather{Drop: toAda.watch}, peer.Weather{Drop: toBob.watch})
	far, here := joined(t, place{ip: publicIP, netns: near}, place{ip: publicIP, netns: near}, `encryption = "off"`)
	a := baresip(t, here, ada, func(a *peer.Account) { a.IP, a.Netns, a.Video = farIP, away, true })
	b := baresip(t, far, bob, func(b *peer.Account) { b.IP, b.Netns, b.Video = publicIP, near, true })
	began := time.Now()
	connect(t, a, b, "9"+bob)
	toAda.await(t, began)
	toBob.await(t, began)
	hearEachOther(t, a, adaTone, b, bobTone)
	a.Hold(t)
	time.Sleep(2 * time.Second) // held: frames that nobody sees
	resumed := time.Now()
	a.Resume(t)
	if took := toAda.await(t, resumed); took > 2*pictureTime {
		t.Errorf("after a hold a whole picture comes after %v", took)
	}
	hangUp(t, a, b)
}
