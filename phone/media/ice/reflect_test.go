package ice

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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

// However long it rings, the NAT is reminded of each port every 15 s, and no more once
// the party answers.
func TestMappingIsKeptWhileItRings(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		server := netip.MustParseAddrPort("203.0.113.1:3478")
		kept := answering(t, l, server)
		a := newMachine(t, l, "10.0.0.1", Config{Stun: server.String()}).open(Options{})
		b := newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		<-a.socket.Gathered()
		time.Sleep(2*time.Minute + time.Second)
		if n := len(kept()); n != 2 {
			t.Errorf("%d ports are kept, want RTP's and RTCP's", n)
		}
		for port, times := range kept() {
			for i := range times[1:] {
				if gap := times[i+1].Sub(times[i]); gap > askKeep {
					t.Errorf("%v was not kept for %v", port, gap)
				}
			}
			if len(times) != 8 {
				t.Errorf("%v was kept %d times", port, len(times))
			}
		}
		join(t, a, b, true)
		time.Sleep(time.Minute)
		for port, times := range kept() {
			if len(times) > 8 {
				t.Errorf("%v is kept still, though the party checks it", port)
			}
		}
	})
}

// answering is a STUN server; kept gives when each port of a party has reminded the NAT.
func answering(t *testing.T, l *lan, at netip.AddrPort) (kept func() map[netip.AddrPort][]time.Time) {
	t.Helper()
	w := &wire{lan: l, addr: at.Addr(), port: at.Port(), in: [2]chan letter{make(chan letter, 100)}}
	l.mu.Lock()
	l.ports[at] = w
	l.mu.Unlock()
	var mu sync.Mutex
	all, done := map[netip.AddrPort][]time.Time{}, make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		for {
			select {
			case <-done:
				return
			case in := <-w.in[0]:
				m := &stun.Message{Raw: in.b}
				if err := m.Decode(); err != nil {
					t.Error(err)
				}
				if m.Type.Class == stun.ClassIndication {
					mu.Lock()
					all[in.from] = append(all[in.from], time.Now())
					mu.Unlock()
				} else {
					l.carry(at, in.from, stun.MustBuild(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess,
						&stun.XORMappedAddress{IP: net.IPv4(203, 0, 113, 9), Port: int(in.from.Port())}).Raw)
				}
			}
		}
	}()
	return func() map[netip.AddrPort][]time.Time {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(all)
	}
}
