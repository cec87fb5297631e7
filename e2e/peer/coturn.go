package peer

import (
	"net"
	"strconv"
	"testing"
)

// Turn is coturn: a relay, and a STUN server.
type Turn struct {
	*Process
	Address        string // ip:port, UDP and TCP
	AddressTLS     string
	Certificate    string // file: of who it is over TLS
	User, Password string
}

// StartTurn runs coturn on an address until the test ends.
func StartTurn(t testing.TB, ip string, netns Netns) *Turn {
	t.Helper()
	Need(t, "turnserver")
	port, portTLS := FreePort(t), FreePort(t)
	cert, key := certificate(t, ip)
	r := &Turn{Address: net.JoinHostPort(ip, strconv.Itoa(port)), User: "tincan", Password: "relay-secret"}
	r.AddressTLS, r.Certificate = net.JoinHostPort(ip, strconv.Itoa(portTLS)), cert
	r.Process = Start(t, Spec{
		Name: "turnserver", Path: "turnserver", Dir: t.TempDir(), Netns: netns,
		Args: []string{
			"-n", "--log-file=stdout", "--pidfile=turn.pid", "--db=turn.db", "--no-cli", "--no-dtls", "--cert=" + cert, "--pkey=" + key, "--tls-listening-port=" + strconv.Itoa(portTLS), "--lt-cred-mech", "--realm=test",
			"--user=" + r.User + ":" + r.Password, "--listening-ip=" + ip, "--relay-ip=" + ip, "--listening-port=" + strconv.Itoa(port),
		},
	})
	r.Await(t, "DB connection success") // the last that it does
	return r
}
