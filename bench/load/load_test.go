package load

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestStreamCountsWhatArrives: two sockets that send to each other lose nothing.
func TestStreamCountsWhatArrives(t *testing.T) {
	call, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	call.ToA, call.ToB = address(call.B), address(call.A)
	r, err := Stream(t.Context(), []Call{call}, 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if r.Sent == 0 || r.Received != r.Sent {
		t.Errorf("sent %d, received %d", r.Sent, r.Received)
	}
	if r.Percentile(0) < 0 || r.Percentile(0.5) > r.Percentile(1) {
		t.Errorf("delays out of order: %v", r.Delays)
	}
}

func address(conn *net.UDPConn) netip.AddrPort {
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestMediaAddress(t *testing.T) {
	got, err := mediaAddress([]byte("v=0\r\nc=IN IP4 192.0.2.7\r\nm=audio 4000 RTP/AVP 0\r\nm=video 0 RTP/AVP 96\r\n"))
	if want := netip.MustParseAddrPort("192.0.2.7:4000"); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "c=IN IP4 192.0.2.7\r\n", "m=audio 4000 RTP/AVP 0\r\n", "c=IN IP4 x\r\nm=audio 0\r\n"} {
		if _, err := mediaAddress([]byte(bad)); err == nil {
			t.Errorf("%q gave an address", bad)
		}
	}
}
