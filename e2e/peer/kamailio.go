package peer

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// kamailioCommon is what every configuration of Kamailio here begins with; it
// takes the port and what is logged by whom. Its script follows.
const kamailioCommon = `#!KAMAILIO
debug=0
log_stderror=yes
children=2
disable_tcp=yes
auto_aliases=no
alias="%[1]s:%[2]d"
listen=udp:%[1]s:%[2]d
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "gruu_enabled", 0) # its GRUUs lack the port, so they lead elsewhere
`

// Kamailio runs Kamailio with a script (its request_route and others) until the
// test ends, and returns its port.
func Kamailio(t testing.TB, script string) int {
	t.Helper()
	Need(t, "kamailio")
	port, folder := FreePort(t), t.TempDir()
	config := filepath.Join(folder, "kamailio.cfg")
	if err := os.WriteFile(config, []byte(fmt.Sprintf(kamailioCommon, localhost, port)+script), 0o600); err != nil {
		t.Fatal(err)
	}
	// In the foreground (-DD), with its sockets in its own folder, little memory.
	Start(t, Spec{Name: "kamailio", Path: "kamailio", Args: []string{"-f", config, "-DD", "-E", "-Y", folder, "-m", "16", "-M", "4"}, Dir: folder})
	AwaitSIP(t, fmt.Sprintf("%s:%d", localhost, port))
	return port
}

// askAgain is how often a server is asked whether it is there.
const askAgain = 50 * time.Millisecond

// AwaitSIP asks a UDP address by OPTIONS until something comes back.
func AwaitSIP(t testing.TB, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	answer := make([]byte, 4096)
	for n := 0; ctx.Err() == nil; n++ {
		_, _ = fmt.Fprintf(conn, "OPTIONS sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bKask%[3]d;rport\r\nMax-Forwards: 1\r\n"+
			"From: <sip:ask@%[2]s>;tag=a\r\nTo: <sip:%[1]s>\r\nCall-ID: ask-%[2]s\r\nCSeq: %[3]d OPTIONS\r\nContent-Length: 0\r\n\r\n", address, conn.LocalAddr(), n+1)
		_ = conn.SetReadDeadline(time.Now().Add(askAgain))
		if _, err := conn.Read(answer); err == nil {
			return
		}
	}
	t.Fatalf("nobody answers at %s", address)
}
