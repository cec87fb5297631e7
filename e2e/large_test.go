package e2e

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// reassembled is how many datagrams a namespace has put together from fragments.
func reassembled(t *testing.T, ns peer.Netns) int {
	t.Helper()
	output, err := exec.Command("ip", "netns", "exec", string(ns), "cat", "/proc/net/snmp").Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(output)) {
		fields := strings.Fields(line)
		switch {
		case fields[0] != "Ip:":
		case names == nil:
			names = fields
		default:
			for i, name := range names {
				if name == "ReasmOKs" {
					n, _ := strconv.Atoi(fields[i]) // the kernel's own number
					return n
				}
			}
		}
	}
	t.Fatalf("no ReasmOKs in\n%s", output)
	return 0
}

// lines are n lines of a text that takes their number.
func lines(n int, format string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return strings.Join(all, "\n")
}

// bulky headers: 1 kB each.
var bulk = "X-Bulk-%d: " + strings.Repeat("x", 1000)

// far is a script of Ada's phone behind a cable of 1,500 bytes.
func (n internet) far(t *testing.T, s *server, name string, script *peer.Script, port int) *peer.Process {
	t.Helper()
	return peer.StartSIPp(t, peer.SIPp{
		Script: script, Name: name, Remote: s.address(), IP: natIP, Port: port, Calls: 1, Netns: n.nat,
		Args: []string{"-mp", fmt.Sprint(peer.FreeMedia(t)), "-rtp_echo"},
	})
}

// A call whose INVITE is 9 kB, one of 60 kB, and answers of more than a packet: all
// in fragments, over UDP.
func TestLargeRequestsInFragments(t *testing.T) {
	world := newInternet(t)
	s := startServerAt(t, place{ip: publicIP, netns: world.public}, people(ada, bob))
	b := baresip(t, s, bob, func(a *peer.Account) { a.IP, a.Netns, a.Auto = publicIP, world.public, true })
	long := strings.Replace(peer.Sound, "a=rtpmap", lines(900, "a=x-line-%04d:"+strings.Repeat("y", 16))+"\na=rtpmap", 1)
	vias := lines(20, "Via: SIP/2.0/UDP 192.0.2.%d:5060;branch=z9hG4bK"+strings.Repeat("v", 200))
	for name, extra := range map[string]struct{ headers, body string }{
		"9 kB":  {vias + "\n" + lines(4, bulk), peer.Sound},
		"60 kB": {vias + "\n" + lines(22, bulk), long},
	} {
		in, out := reassembled(t, world.public), reassembled(t, world.nat)
		script := peer.NewScript()
		call := script.Talk("call", s.uri(ada), s.uri(bob))
		call.Send("INVITE", s.proof(t, ada, "INVITE", s.uri(bob)), extra.headers, extra.body)
		call.Receive("200", script.Check("192.0.2.19:5060"))
		call.Send("ACK")
		call.Receive("BYE")
		call.Respond("200 OK", "BYE")
		c := world.far(t, s, name, script, peer.FreePort(t))
		b.AwaitEstablished(t)
		b.Ear().Hears(t, bobTone)
		b.Hangup(t)
		peer.AwaitSuccess(t, c, peer.Patience)
		if reassembled(t, world.public) == in || reassembled(t, world.nat) == out {
			t.Errorf("%s: nothing came in fragments", name)
		}
	}
	s.awaitNoCalls(t)
}

// A text of 30 kB arrives; what passes a bound is refused with what it is, and the
// server goes on.
func TestTooLargeIsSaid(t *testing.T) {
	world := newInternet(t)
	s := startServerAt(t, place{ip: publicIP, netns: world.public}, people(ada))
	port := peer.FreePort(t)
	registers := peer.NewScript()
	s.registers(t, registers, ada, "", nil)
	peer.AwaitSuccess(t, world.far(t, s, "register", registers, port), peer.Patience)
	waits := peer.NewScript()
	in := waits.Incoming("in")
	in.Receive("MESSAGE", waits.Check("line 0400"), waits.Check("the end"))
	in.Respond("200 OK", "MESSAGE")
	phone := world.far(t, s, "phone", waits, port)

	text := func(n int) string {
		return "Content-Type: text/plain\n\n" + lines(n, "line %04d "+strings.Repeat("z", 60)) + "\nthe end"
	}
	before := reassembled(t, world.public)
	for name, m := range map[string]struct {
		method, status, text string
	}{
		"text":    {"MESSAGE", "200", text(401)},
		"texts":   {"MESSAGE", "413", text(800)},
		"headers": {"MESSAGE", "513", lines(40, bulk)},
		"line":    {"MESSAGE", "400", "X-Long: " + strings.Repeat("x", 9000)},
		"sound":   {"INVITE", "400", strings.Replace(peer.Sound, "a=rtpmap", lines(1200, "a=x-line-%04d:"+strings.Repeat("y", 16))+"\na=rtpmap", 1)},
	} {
		script := peer.NewScript()
		talk := script.Talk(name, s.uri(ada), s.uri(ada))
		talk.Send(m.method, s.proof(t, ada, m.method, s.uri(ada)), m.text)
		talk.Receive(m.status)
		if m.method == "INVITE" {
			talk.Send("ACK")
		}
		peer.AwaitSuccess(t, world.far(t, s, name, script, peer.FreePort(t)), peer.Patience)
	}
	peer.AwaitSuccess(t, phone, peer.Patience)
	if reassembled(t, world.public) == before {
		t.Error("nothing came in fragments")
	}
}
