package ice

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/pion/stun/v4"
)

// A STUN server's answer becomes a candidate of each port; one of a stranger's, or to
// another question, does not.
func TestPortAsItIsOutside(t *testing.T) {
	listen := func() *net.UDPConn {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	server, stranger := listen(), listen()
	answer := func(id [stun.TransactionIDSize]byte, port int) []byte {
		return stun.MustBuild(stun.NewTransactionIDSetter(id), stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(203, 0, 113, 9), Port: port}).Raw
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			m := &stun.Message{Raw: buf[:n]}
			if m.Decode() != nil || m.Type != stun.BindingRequest {
				t.Errorf("asked %x", buf[:n])
				continue
			}
			_, _ = stranger.WriteToUDPAddrPort(answer(m.TransactionID, 1), from)
			_, _ = server.WriteToUDPAddrPort(answer([stun.TransactionIDSize]byte{1}, 2), from)
			_, _ = server.WriteToUDPAddrPort(answer(m.TransactionID, 4242), from)
		}
	})
	defer func() {
		_, _ = server.Close(), stranger.Close()
		wg.Wait()
	}()
	p := openReal(t, Config{Stun: server.LocalAddr().String()})
	if !p.host.Waits() {
		t.Error("nobody waits for the answer")
	}
	<-p.socket.Gathered()
	var got []netip.AddrPort
	all := p.socket.Local().Candidates
	for i := range all {
		if at, ok := all[i].Addr(); ok && all[i].Type == "srflx" {
			got = append(got, at)
			if all[i].Related.Addr() != netip.MustParseAddr("127.0.0.1") || all[i].Priority >= all[0].Priority {
				t.Errorf("candidate %+v", all[i])
			}
		}
	}
	want := netip.MustParseAddrPort("203.0.113.9:4242")
	if !slices.Equal(got, []netip.AddrPort{want, want}) { // of RTP and RTCP
		t.Errorf("outside it is at %v", got)
	}
}

// One that is gone costs one call its time.
func TestSTUNServerIsGone(t *testing.T) {
	mute, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mute.Close() }()
	p := openReal(t, Config{Stun: mute.LocalAddr().String()})
	<-p.socket.Gathered()
	if p.host.patience() != ownTime {
		t.Error("it is waited for again")
	}
	if got := p.socket.Local().Candidates; len(got) != 2 {
		t.Errorf("candidates %+v", got)
	}
}
