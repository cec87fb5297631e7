package e2e

import (
	"fmt"
	"testing"

	"tincan/e2e/peer"
)

// borderScript is a proxy between phones and a server whose port it takes: phones
// know it alone, and it says in Path (RFC 3327) that they are reached through it.
const borderScript = `
loadmodule "path.so"
request_route {
	if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
	if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
	if (has_totag()) { loose_route(); t_relay(); exit; }
	if (is_method("OPTIONS") && $sp != %[1]d) { sl_send_reply("200", "OK"); exit; }
	if (is_method("INVITE")) record_route();
	if ($sp == %[1]d) {
		if ($hdr(Route) == $null) { sl_send_reply("403", "Without the Path"); exit; }
		loose_route();
	} else {
		if (is_method("REGISTER") && !add_path()) { sl_send_reply("500", "No Path"); exit; }
		$du = "sip:127.0.0.1:%[1]d";
	}
	t_relay();
}
`

// Bob's phone knows the proxy alone; calls to it, texts and calls from it go by
// the way that it registered.
func TestPhoneBehindAProxy(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	port := peer.Kamailio(t, fmt.Sprintf(borderScript, s.sip))
	through := func(a *peer.Account) { a.Server = fmt.Sprintf("127.0.0.1:%d", port) }
	trace := s.trace(t, bob)
	a, b := linphone(t, s, ada), linphone(t, s, bob, through)
	trace.Await(t, fmt.Sprintf("Path: <sip:127.0.0.1:%d;lr>", port))
	for range 2 {
		connect(t, a, b, bob)
		hearEachOther(t, a, adaTone, b, bobTone)
		hangUp(t, b, a)
		connect(t, b, a, ada)
		hearEachOther(t, a, adaTone, b, bobTone)
		hangUp(t, b, a)
		a.SendText(t, bob, "by the way")
		b.AwaitText(t, ada, "by the way")
		s.crash(t) // the Path is kept
	}
	s.awaitNoCalls(t)
}
