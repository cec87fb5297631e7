package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"tincan/e2e/peer"
)

// outboundEdge is a proxy at the edge (RFC 5626 5): phones keep connections to it alone,
// its Path names each one, and it says when that is gone.
const outboundEdge = `
disable_tcp=no
listen=tcp:127.0.0.1:%[2]d
loadmodule "path.so"
modparam("path", "use_received", 1)
request_route {
	if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
	if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
	if (has_totag()) { loose_route(); t_relay(); exit; }
	if (is_method("OPTIONS") && $sp != %[1]d) { sl_send_reply("200", "OK"); exit; }
	if (is_method("INVITE")) record_route();
	if ($sp == %[1]d) {
		loose_route();
		set_forward_no_connect();
		if (!t_relay()) { xlog("L_ERR", "flow $du failed\n"); sl_send_reply("430", "Flow Failed"); }
		exit;
	}
	if (is_method("REGISTER") && !add_path_received("edge", "ob")) { sl_send_reply("500", "No Path"); exit; }
	$du = "sip:127.0.0.1:%[1]d";
	t_relay();
}
`

// Bob's phone keeps two flows to a proxy at the edge. When the one that a call is
// tried by is gone, the proxy answers 430, and the call goes by the other at once.
// The phone names itself by the address that it was given (RFC 5627): what is said
// within the call goes to its Contact all the same.
func TestFlowFailsAtTheEdge(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	port := peer.FreePort(t)
	peer.Kamailio(t, "loadmodule \"xlog.so\"\n"+fmt.Sprintf(outboundEdge, s.sip, port))
	edge := fmt.Sprintf("127.0.0.1:%d", port)
	wires := []*peer.Wire{peer.StartWire(t, edge), peer.StartWire(t, edge)}
	trace := s.trace(t, bob)
	a := baresip(t, s, ada)
	b := baresip(t, s, bob, func(b *peer.Account) {
		b.Transport, b.Flows = "tcp", []string{wires[0].Address, wires[1].Address}
	})
	s.awaitFlows(t, 3)
	connect(t, b, a, ada)
	hangUp(t, a, b)
	trace.Await(t, "BYE") // so that it has told of what was before
	younger := lastFlow(t, trace)
	for _, w := range wires {
		if w.Leaves(younger) {
			w.Cut()
		}
	}
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
	trace.Await(t, "SIP/2.0 430 Flow Failed")
	if n := b.Rings(); n != 1 {
		t.Errorf("it rang %d times", n)
	}
}

// lastFlow is the port by which the flow that registered last reaches the edge, as
// that says in its Path.
func lastFlow(t *testing.T, trace *peer.Process) int {
	t.Helper()
	named := regexp.MustCompile(`Path: .*received=sip:127\.0\.0\.1:([0-9]+)`)
	for _, line := range slices.Backward(trace.Output()) {
		if found := named.FindStringSubmatch(line); found != nil {
			port, _ := strconv.Atoi(found[1]) // digits
			return port
		}
	}
	t.Fatal("no flow registered by the edge")
	return 0
}
