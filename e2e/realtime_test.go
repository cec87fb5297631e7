package e2e

import (
	"bytes"
	"net"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// withText is a phone that speaks PCMU at SIPp's media port and writes T.140 (RFC
// 4103) at a port.
func withText(port string) string {
	return peer.Sound + "\nm=text " + port + " RTP/AVP 98\na=rtpmap:98 t140/1000"
}

// Real-time text passes both ways beside the sound: SIPp sends back what was typed,
// at the text port of its description.
func TestRealTimeText(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	at, media := peer.FreePort(t), peer.FreeMedia(t)
	s.registered(t, bob, at, "")
	called := peer.NewScript()
	in := called.Incoming("in")
	in.Receive("INVITE", called.Check("m=text [0-9]+ RTP/AVP 98"), called.Check("t140/1000"))
	in.Respond("200 OK", "INVITE", withText(strconv.Itoa(media+2)))
	in.Receive("ACK")
	in.Receive("BYE")
	in.Respond("200 OK", "BYE")
	b := s.run(t, "called text", called, at, "-mp", strconv.Itoa(media))

	typist, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = typist.Close() }()
	calling := peer.NewScript()
	out := calling.Talk("out", s.uri(ada), s.uri(bob))
	out.Send("INVITE", s.proof(t, ada, "INVITE", s.uri(bob)), withText(strconv.Itoa(typist.LocalAddr().(*net.UDPAddr).Port)))
	out.Receive("200", calling.Read(`m=text ([0-9]+) RTP`, "line", "port"), calling.Say("text to [$port] ."))
	out.Send("ACK")
	calling.AwaitCue()
	out.Send("BYE")
	out.Receive("200")
	from := peer.FreePort(t)
	a := s.runLogged(t, "calling text", calling, from)

	awaitText(t, a.log, " .", peer.Patience)
	log, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(string(regexp.MustCompile(`text to (\d+) \.`).FindSubmatch(log)[1]))
	if port == 0 {
		t.Fatal("the server refuses text")
	}
	typed(t, typist, port, "hello, wörld")
	peer.Cue(t, "calling text", from)
	peer.AwaitSuccess(t, a.Process, peer.Patience)
	peer.AwaitSuccess(t, b, peer.Patience)
	s.awaitNoCalls(t)
}

// typed sends letters one by one and waits until all have come back, in their order.
func typed(t *testing.T, typist *net.UDPConn, port int, text string) {
	t.Helper()
	server := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	var back []byte
	buf := make([]byte, 1500)
	for i, letter := range []byte(text) {
		header := []byte{0x80, 98, 0, byte(i), 0, 0, byte(i), 0, 't', 'e', 'x', 't'}
		if _, err := typist.WriteToUDP(append(header, letter), server); err != nil {
			t.Fatal(err)
		}
		_ = typist.SetReadDeadline(time.Now().Add(peer.Patience))
		n, _, err := typist.ReadFromUDP(buf)
		if err != nil {
			t.Fatalf("after %q: %v", back, err)
		}
		back = append(back, buf[12:n]...)
	}
	if !bytes.Equal(back, []byte(text)) {
		t.Errorf("%q came back, %q was typed", back, text)
	}
}
