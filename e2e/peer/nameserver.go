package peer

import (
	"fmt"
	"strconv"
	"testing"
)

// StartNameServer runs dnsmasq with records (such as
// "srv-host=_sip._udp.carrier.test,a.test,5060,1" and
// "host-record=a.test,127.0.0.1") and returns its address. What is not among them
// does not exist.
func StartNameServer(t testing.TB, records ...string) string {
	t.Helper()
	Need(t, "dnsmasq")
	port := FreePort(t)
	args := []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file", "--log-facility=-",
		"--user=", "--listen-address=" + localhost, "--bind-interfaces", "--port=" + strconv.Itoa(port), "--local=/test/",
	}
	for _, r := range records {
		args = append(args, "--"+r)
	}
	p := Start(t, Spec{Name: "dnsmasq", Path: "dnsmasq", Args: args, Dir: t.TempDir()})
	p.Await(t, "started, version")
	return fmt.Sprintf("%s:%d", localhost, port)
}
