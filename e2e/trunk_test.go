package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// trunkState is a trunk as `tincan trunks --json` lists it.
type trunkState struct {
	Name  string `json:"name"`
	State string `json:"state"`
	At    string `json:"target"`
	In    int    `json:"calls_in"`
	Out   int    `json:"calls_out"`
	Error string `json:"error"`
}

// awaitTrunk waits until the server's trunk is in a state.
func (s *server) awaitTrunk(t *testing.T, name, state string) trunkState {
	t.Helper()
	deadline := time.NewTimer(peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * readyPoll)
	defer ticker.Stop()
	for {
		var list []trunkState
		s.list(t, &list, "trunks")
		for _, st := range list {
			if st.Name == name && st.State == state {
				return st
			}
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("trunk %s is not %s: %+v", name, state, list)
		}
	}
}

// sister is a trunk of that name with routes: 9 and a number goes out by it, and
// its calls reach number here.
func sister(number, settings string) string {
	return fmt.Sprintf(`
[[trunk]]
name = "sister"
%s
[[route]]
number = "9."
to = "trunk:sister/${NUMBER:1}"
[[route]]
from = "trunk:sister"
number = %[2]q
to = "extension:%[2]s"
`, settings, number)
}

// registersHere lets another Tincan register as tincan; registersAt does so there.
const registersHere = `accept = "register"
username = "tincan"
secret = "between-us"`

func registersAt(address, more string) string {
	return fmt.Sprintf("address = %q\nregister = true\nusername = \"tincan\"\nsecret = \"between-us\"\n%s", address, more)
}

// talkAcross calls both ways between a phone of each server, and listens.
func talkAcross(t *testing.T, a, b peer.Phone) {
	t.Helper()
	connect(t, a, b, "9"+bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
	connect(t, b, a, "9"+ada)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

// TestTincansJoinedByRegistration: each is the other's carrier; only one of them
// could be found by the other.
func TestTincansJoinedByRegistration(t *testing.T) {
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			far := startServer(t, people(bob)+sister(bob, registersHere))
			address, where := far.address(), place{ip: "127.0.0.1"}
			if transport == "tls" {
				address = far.addressTLS()
				where.sip = fmt.Sprintf("authorities = %q", filepath.Join(far.folder, "data", "tls-cert.pem"))
			}
			near := startServerAt(t, where, people(ada)+sister(ada, registersAt(address, fmt.Sprintf("transport = %q", transport))))
			near.awaitTrunk(t, "sister", "registered")
			far.awaitTrunk(t, "sister", "registered here")
			a, b := baresip(t, near, ada), linphone(t, far, bob)
			talkAcross(t, a, b)
			near.crash(t) // the Contact that the other side has is still ours
			near.awaitTrunk(t, "sister", "registered")
			talkAcross(t, a, b)
			near.awaitNoCalls(t)
			far.awaitNoCalls(t)
			near.Signal(t, syscall.SIGTERM) // an end that is meant is told
			near.Wait(t, peer.Patience)
			far.awaitTrunk(t, "sister", "not registered here")
			near.start(t) // for the phone to take its leave of
		})
	}
}

func TestTincansJoinedByAddress(t *testing.T) {
	t.Parallel()
	far, near := startServer(t, people(bob)), startServer(t, people(ada))
	known := func(s *server) string {
		return fmt.Sprintf("address = %[1]q\nmatch = [%[1]q]\nqualify = \"5s\"\nlimit = 1", s.address())
	}
	far.apply(t, people(bob)+sister(bob, known(near)))
	near.apply(t, people(ada)+sister(ada, known(far)))
	a, b := baresip(t, near, ada), baresip(t, far, bob)
	talkAcross(t, a, b)
	near.awaitTrunk(t, "sister", "up")
	far.Signal(t, syscall.SIGTERM)
	far.Wait(t, peer.Patience)
	near.awaitTrunk(t, "sister", "down")
	far.start(t)
}

// TestCallsAskForAPassword: the other side knows the trunk by digest at each call.
func TestCallsAskForAPassword(t *testing.T) {
	t.Parallel()
	far, near := startServer(t, people(bob)), startServer(t, people(ada))
	far.apply(t, people(bob)+sister(bob, fmt.Sprintf("address = %q\naccept = \"digest\"\nusername = \"tincan\"\nsecret = \"between-us\"", near.address())))
	near.apply(t, people(ada)+sister(ada, fmt.Sprintf("address = %[1]q\nmatch = [%[1]q]\nusername = \"tincan\"\nsecret = \"between-us\"", far.address())))
	a, b := baresip(t, near, ada), baresip(t, far, bob)
	connect(t, a, b, "9"+bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
	near.apply(t, people(ada)+sister(ada, fmt.Sprintf("address = %[1]q\nmatch = [%[1]q]\nusername = \"tincan\"\nsecret = \"another\"", far.address())))
	a.Dial(t, "9"+bob)
	wantReason(t, a.AwaitClosed(t), "503")
}

// TestAnotherTargetTakesTheCall: the carrier's name leads to three places: one is
// dead, one refuses with 503, the last is the other Tincan.
func TestAnotherTargetTakesTheCall(t *testing.T) {
	t.Parallel()
	far := startServer(t, people(bob)+sister(bob, registersHere))
	dead, refuses := peer.FreePort(t), peer.FreePort(t)
	third := peer.StartSIPp(t, peer.SIPp{Scenario: "testdata/refuse.xml", Port: refuses})
	dns := peer.StartNameServer(
		t, fmt.Sprintf("srv-host=_sip._udp.carrier.test,a.test,%d,1", refuses),
		fmt.Sprintf("srv-host=_sip._udp.carrier.test,a.test,%d,2", dead),
		fmt.Sprintf("srv-host=_sip._udp.carrier.test,a.test,%d,3", far.sip), "host-record=a.test,127.0.0.1",
	)
	near := startServerAt(t, place{ip: "127.0.0.1", sip: fmt.Sprintf("dns = [%q]", dns)},
		people(ada)+sister(ada, fmt.Sprintf("address = \"carrier.test\"\nmatch = [%q]\nusername = \"tincan\"\nsecret = \"between-us\"", far.address())))
	a, b := baresip(t, near, ada), baresip(t, far, bob)
	connect(t, a, b, "9"+bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
	connect(t, a, b, "9"+bob) // what was learned of the others holds
	hangUp(t, a, b)
	third.Stop()
}

// carrierScript is a registrar and proxy that asks everybody for a password and
// stays in the way of what it let through.
const carrierScript = `
request_route {
	if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
	if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
	if (has_totag()) {
		if (loose_route()) { t_relay(); exit; }
		if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
		sl_send_reply("404", "Not here");
		exit;
	}
	if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
	if (is_method("REGISTER")) {
		if (!pv_www_authenticate("$td", "between-us", "0")) { www_challenge("$td", "1"); exit; }
		save("location");
		exit;
	}
	if (!is_method("INVITE")) { sl_send_reply("501", "Calls alone"); exit; }
	if (!pv_proxy_authenticate("$fd", "between-us", "0")) { proxy_challenge("$fd", "1"); exit; }
	consume_credentials();
	record_route();
	if (!lookup("location")) { sl_send_reply("404", "Not registered"); exit; }
	t_relay();
}
`

// TestKamailioIsTheCarrier: Tincan and a phone are both registered at Kamailio,
// which challenges REGISTER and INVITE and record-routes.
func TestKamailioIsTheCarrier(t *testing.T) {
	t.Parallel()
	port := peer.Kamailio(t, carrierScript)
	s := startServer(t, people(ada)+`
[[trunk]]
name = "carrier"
`+registersAt(fmt.Sprintf("127.0.0.1:%d", port), `caller_id = "pai"
number = "4930"
`)+`
[[route]]
number = "9."
to = "trunk:carrier/${NUMBER:1}"
[[route]]
from = "trunk:carrier"
number = "4930"
to = "extension:101"
`)
	s.awaitTrunk(t, "carrier", "registered")
	a := baresip(t, s, ada)
	// Not a baresip: it asks for its mailbox a thousand times a second where it is refused.
	b := peer.StartLinphone(t, peer.Account{Number: bob, Secret: "between-us", Server: fmt.Sprintf("127.0.0.1:%d", port), Tone: bobTone})
	connect(t, a, b, "9"+bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
	connect(t, b, a, "tincan")
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
	s.awaitNoCalls(t)
}

// edgeScript is a proxy that relays as Route or Request-URI say, and stays in the
// way.
const edgeScript = `
request_route {
	if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
	if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
	if (uri == myself && is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
	loose_route();
	if (!has_totag() && is_method("INVITE")) record_route();
	t_relay();
}
`

// TestKamailioIsInFront: all between the two Tincans goes through an outbound
// proxy, in dialogs too.
func TestKamailioIsInFront(t *testing.T) {
	t.Parallel()
	port := peer.Kamailio(t, edgeScript)
	far, near := startServer(t, people(bob)), startServer(t, people(ada))
	via := func(s *server) string {
		return fmt.Sprintf("address = %q\nproxy = \"127.0.0.1:%[2]d\"\nmatch = [\"127.0.0.1:%[2]d\"]\n", s.address(), port)
	}
	far.apply(t, people(bob)+sister(bob, via(near)))
	near.apply(t, people(ada)+sister(ada, via(far)))
	a, b := baresip(t, near, ada), baresip(t, far, bob)
	talkAcross(t, a, b)
	near.awaitNoCalls(t)
	far.awaitNoCalls(t)
}

// TestCarrierChallengesEverything: INVITE, the re-INVITE that refreshes the
// session, and BYE; 45 s are what RFC 4028 allows at least.
func TestCarrierChallengesEverything(t *testing.T) {
	t.Parallel()
	port, folder := peer.FreePort(t), t.TempDir()
	log := filepath.Join(folder, "carrier.log")
	carrier := peer.StartSIPp(t, peer.SIPp{
		Scenario: "testdata/carrier.xml", Port: port, Calls: 1, Folder: folder, Args: []string{"-trace_logs", "-log_file", log},
	})
	s := startServer(t, people(ada)+sister(ada, fmt.Sprintf("address = \"127.0.0.1:%d\"\nusername = \"tincan\"\nsecret = \"between-us\"", port)))
	a := baresip(t, s, ada)
	a.Dial(t, "9"+bob)
	a.AwaitEstablished(t)
	awaitText(t, log, "refreshed", minRefresh+peer.Patience)
	a.Hangup(t)
	peer.AwaitSuccess(t, carrier, peer.Patience)
	s.awaitNoCalls(t)
}

// minRefresh is half of the shortest session interval (RFC 4028 4).
const minRefresh = 45 * time.Second

// awaitText waits until a file has a text.
func awaitText(t *testing.T, file, text string, patience time.Duration) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * readyPoll)
	defer ticker.Stop()
	for {
		content, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(content), text) {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%s never has %q: %v\n%s", file, text, err, content)
		}
	}
}

// TestTrunkFromBehindNAT: a server at home registers at one outside; calls reach
// it through its router, whose mapping is kept open.
func TestTrunkFromBehindNAT(t *testing.T) {
	world := newInternet(t)
	far := startServerAt(t, place{ip: publicIP, netns: world.public}, people(bob)+sister(bob, registersHere))
	near := startServerAt(t, place{ip: phoneIP, netns: world.lan}, people(ada)+sister(ada, registersAt(far.address(), "")))
	near.awaitTrunk(t, "sister", "registered")
	a := baresip(t, near, ada, func(a *peer.Account) { a.IP, a.Netns = phoneIP, world.lan })
	b := baresip(t, far, bob, func(a *peer.Account) { a.IP, a.Netns = publicIP, world.public })
	talkAcross(t, a, b)
	near.awaitNoCalls(t)
	far.awaitNoCalls(t)
}
