package kernel

import (
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzParseRoute: any bytes are read, and attributes before the interface's do not
// hide it.
func FuzzParseRoute(f *testing.F) {
	f.Add([]byte{}, uint32(3))
	f.Add([]byte{1, 2, 3, 4, 5}, uint32(1))
	f.Fuzz(func(t *testing.T, b []byte, ifindex uint32) {
		if n, local, ok := parseRoute(b); !ok && (n != 0 || local) {
			t.Errorf("no route, but interface %d, local %v", n, local)
		}
		route := make([]byte, unix.SizeofRtMsg)
		route[7] = unix.RTN_UNICAST
		before := attribute{unix.RTA_METRICS, b[:min(len(b), 1000)]}
		route = appendAttributes(route, before, attribute{unix.RTA_OIF, word(ifindex)})
		if n, local, ok := parseRoute(route); n != ifindex || local || ok != (ifindex != 0) {
			t.Errorf("read interface %d, local %v, %v; want %d", n, local, ok, ifindex)
		}
	})
}
