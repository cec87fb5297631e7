package e2e

import (
	"fmt"
	"net"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// A phone that takes comfort noise (RFC 3389) is alone in a conference: it is sent a
// description of the silence instead of packets of it.
func TestSilenceOfAConferenceIsDescribed(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada)+"[[route]]\nnumber = \"7000\"\nto = \"conference:lounge\"\n")
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	port := peer.FreePort(t)
	script := peer.NewScript()
	call := script.Talk("call", s.uri(ada), s.uri("7000"))
	call.Send("INVITE", s.proof(t, ada, "INVITE", s.uri("7000")), fmt.Sprintf(`Content-Type: application/sdp

v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio %d RTP/AVP 0 13`, socket.LocalAddr().(*net.UDPAddr).Port))
	call.Receive("200", script.Check("m=audio [1-9][0-9]* RTP/AVP 0 13"))
	call.Send("ACK")
	script.AwaitCue()
	call.Send("BYE")
	call.Receive("200")
	phone := s.run(t, "alone", script, port)
	described := 0
	packet := make([]byte, 2048)
	if err := socket.SetReadDeadline(time.Now().Add(peer.Patience)); err != nil {
		t.Fatal(err)
	}
	for last, begun := uint16(0), false; described < 3; { // one after the other: it is welcomed before
		n, err := socket.Read(packet)
		if err != nil {
			t.Fatalf("%d descriptions, last %d: %v", described, last, err)
		}
		if n < 12 || packet[1]&0x7f > 72 { // RTCP on its own port alone
			continue
		}
		seq := uint16(packet[2])<<8 | uint16(packet[3])
		if begun && seq != last+1 {
			t.Errorf("packet %d after %d", seq, last)
		}
		last, begun = seq, true
		if described++; packet[1]&0x7f != 13 {
			described = 0
		}
	}
	peer.Cue(t, "alone", port)
	peer.AwaitSuccess(t, phone, peer.Patience)
	s.awaitNoCalls(t)
}
