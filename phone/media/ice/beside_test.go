package ice

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/ice/v4"

	"tincan/phone/media"
)

// These are of real sockets, on the loopback, and have pion's agent for a party.

func openReal(t *testing.T, c Config) *party {
	t.Helper()
	e, err := media.NewEngine(media.Config{First: 30000, Last: 31999})
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHost(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	m := &machine{t: t, addr: netip.MustParseAddr("127.0.0.1"), engine: e, host: h}
	return m.open(Options{})
}

// other is a party that offers nothing but its own checks.
func other(t *testing.T, networks ...pion.NetworkType) *pion.Agent {
	t.Helper()
	a, err := pion.NewAgentWithOptions(pion.WithNetworkTypes(networks), pion.WithIncludeLoopback(),
		pion.WithMulticastDNSMode(pion.MulticastDNSModeDisabled), pion.WithLoggerFactory(silent{}),
		pion.WithCandidateTypes([]pion.CandidateType{pion.CandidateTypeHost}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.GracefulClose() })
	_ = a.OnCandidate(func(pion.Candidate) {}) // gathering asks for one
	if err := a.GatherCandidates(); err != nil {
		t.Fatal(err)
	}
	return a
}

// Media goes both ways by the one port of all, over UDP and TCP.
func TestOnePortOfAll(t *testing.T) {
	for _, by := range []string{byShared, byTCP} {
		t.Run(by, func(t *testing.T) {
			var c Config
			var port int
			var networks pion.NetworkType
			if by == byShared {
				conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
				if err != nil {
					t.Fatal(err)
				}
				c.UDP, port, networks = conn, conn.LocalAddr().(*net.UDPAddr).Port, pion.NetworkTypeUDP4
			} else {
				l, err := net.Listen("tcp4", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				c.TCP, port, networks = l, l.Addr().(*net.TCPAddr).Port, pion.NetworkTypeTCP4
			}
			talkBeside(t, openReal(t, c), other(t, networks), uint16(port), by)
		})
	}
}

func talkBeside(t *testing.T, p *party, a *pion.Agent, port uint16, by string) {
	t.Helper()
	p.socket.Single()
	<-p.socket.Gathered()
	local := p.socket.Local()
	ufrag, pwd, err := a.GetLocalUserCredentials()
	if err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 10)
	p.socket.options.Found = func(_ netip.AddrPort, by string) { found <- by }
	if err := p.socket.Start(&media.ICE{Ufrag: ufrag, Pwd: pwd}, false, true); err != nil {
		t.Fatal(err)
	}
	conn, err := a.StartDial(local.Ufrag, local.Pwd)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range local.Candidates {
		if c.Port != port {
			continue
		}
		remote, err := pion.NewCandidateHost(&pion.CandidateHostConfig{
			Network: c.Transport, Address: c.Host, Port: int(c.Port), Component: 1, TCPType: pion.NewTCPType(c.TCPType),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.AddRemoteCandidate(remote); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case got := <-found:
		if got != by {
			t.Fatalf("found by %s, want %s", got, by)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("no way was found by %s; offered %+v", by, local.Candidates)
	}
	packet := append([]byte{0x80, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 7}, "in"...)
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	if got := <-p.heard; string(got) != "in" {
		t.Errorf("heard %q", got)
	}
	p.say("out")
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	if err != nil || !strings.HasSuffix(string(buf[:n]), "out") {
		t.Errorf("the other heard %q (%v)", buf[:n], err)
	}
}

// Who hangs up while a relay has not answered waits for no answer: the relay is not
// asked to the end.
func TestRelayIsGoneAtTheEnd(t *testing.T) {
	mute, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mute.Close() }()
	p := openReal(t, Config{Turn: []string{"turn:" + mute.LocalAddr().String()}, User: "u", Password: "p"})
	buf := make([]byte, 1500)
	if _, _, err := mute.ReadFromUDP(buf); err != nil { // it is being asked
		t.Fatal(err)
	}
	if err := p.socket.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.host.Close(); err != nil {
		t.Fatal(err)
	}
	const toTheEnd = 7 // requests for each of two components (pion/turn's client.go)
	asked := 1
	_ = mute.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) // what came waits already
	for {
		if _, _, err := mute.ReadFromUDP(buf); err != nil {
			break
		}
		asked++
	}
	if asked >= toTheEnd {
		t.Errorf("the relay was asked %d times", asked)
	}
}

// A relay that is gone costs one call its time, and those after it none.
func TestRelayIsGone(t *testing.T) {
	mute, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mute.Close() }()
	p := openReal(t, Config{Turn: []string{"turn:" + mute.LocalAddr().String()}, User: "u", Password: "p"})
	if p.host.patience() != turnTimeout {
		t.Error("a relay that was never asked is not waited for")
	}
	<-p.socket.Gathered()
	if p.host.patience() != ownTime {
		t.Error("a relay that did not answer is waited for again")
	}
	if got := p.socket.Local().Candidates; len(got) != 2 { // RTP and RTCP
		t.Errorf("candidates %+v", got)
	}
}
