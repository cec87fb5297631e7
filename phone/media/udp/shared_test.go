package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
)

func openShared(t testing.TB, at string) *Shared {
	t.Helper()
	s, err := OpenShared(netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// receive takes n datagrams.
func receive(t testing.TB, s *Shared, n int) (got []Datagram) {
	t.Helper()
	list := make([]Datagram, SharedBatch)
	for len(got) < n {
		k, err := s.Recv(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list[:k] {
			d.Data = bytes.Clone(d.Data)
			got = append(got, d)
		}
	}
	return got
}

func TestSharedMovesBatchesInOrder(t *testing.T) {
	for _, c := range []struct{ at, to string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"0.0.0.0:0", "127.0.0.7"}, {"[::]:0", "127.0.0.7"}, {"[::]:0", "::1"},
	} {
		t.Run(c.at+" "+c.to, func(t *testing.T) {
			here, there := openShared(t, c.at), openShared(t, "[::]:0")
			to := netip.AddrPortFrom(netip.MustParseAddr(c.to), here.Local().Port())
			var list []Datagram
			for i := range 3*SharedBatch + 1 {
				list = append(list, Datagram{Data: fmt.Appendf(nil, "datagram %d", i), Peer: to})
			}
			if err := there.Send(list); err != nil {
				t.Fatal(err)
			}
			got := receive(t, here, len(list))
			for i, d := range got {
				if string(d.Data) != string(list[i].Data) {
					t.Fatalf("datagram %d is %q", i, d.Data)
				}
			}
			if here.wild && got[0].Local != to.Addr() {
				t.Errorf("it came to %v, and is said to have come to %v", to.Addr(), got[0].Local)
			}
			// The answer leaves from where the question came to.
			if err := here.Send([]Datagram{{Data: []byte("answer"), Peer: got[0].Peer, Local: got[0].Local}}); err != nil {
				t.Fatal(err)
			}
			if back := receive(t, there, 1)[0]; back.Peer != to {
				t.Errorf("the answer came from %v, want %v", back.Peer, to)
			}
		})
	}
}

func TestSharedTellsOfWhatIsTooLong(t *testing.T) {
	s := openShared(t, "127.0.0.1:0")
	if err := s.Send([]Datagram{{Data: make([]byte, SharedRoom+1), Peer: s.Local()}, {Data: make([]byte, SharedRoom), Peer: s.Local()}}); err != nil {
		t.Fatal(err)
	}
	got := receive(t, s, 2)
	if !got[0].Cut || got[1].Cut || len(got[1].Data) != SharedRoom {
		t.Errorf("cut %v and %v, the second with %d bytes", got[0].Cut, got[1].Cut, len(got[1].Data))
	}
}

func TestSharedSendsWhatItCan(t *testing.T) {
	s := openShared(t, "127.0.0.1:0")
	err := s.Send([]Datagram{
		{Data: []byte("a"), Peer: s.Local()},
		{Data: []byte("b"), Peer: netip.MustParseAddrPort("[::1]:9")},
		{Data: make([]byte, 70000), Peer: s.Local()},
		{Data: []byte("c"), Peer: s.Local()},
	})
	if err == nil {
		t.Error("no error for a datagram that cannot be sent")
	}
	if got := receive(t, s, 2); string(got[0].Data)+string(got[1].Data) != "ac" {
		t.Errorf("got %q and %q", got[0].Data, got[1].Data)
	}
}

func TestSharedAllocatesNothing(t *testing.T) {
	s := openShared(t, "0.0.0.0:0")
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.Local().Port())
	out := []Datagram{{Data: make([]byte, 164), Peer: to}, {Data: make([]byte, 164), Peer: to}}
	in := make([]Datagram, SharedBatch)
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Send(out); err != nil {
			t.Fatal(err)
		}
		for k := 0; k < len(out); {
			n, err := s.Recv(in)
			if err != nil {
				t.Fatal(err)
			}
			k += n
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSharedCloseEndsRecv(t *testing.T) {
	s, err := OpenShared(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := s.Recv(make([]Datagram, 1))
		ended <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Recv after Close: %v", err)
	}
}
