package ice

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media"
)

// BenchmarkStandingFlows tells what a flow with ICE costs that stands, as of a
// phone in a browser (one port for RTP and RTCP), on real sockets: goroutines,
// and bytes of heap and stacks.
func BenchmarkStandingFlows(b *testing.B) {
	const flows = 200 // both ends of 100 calls
	for range b.N {
		e, err := media.NewEngine(media.Config{First: 30000, Last: 31999})
		if err != nil {
			b.Fatal(err)
		}
		h, err := NewHost(Config{})
		if err != nil {
			b.Fatal(err)
		}
		goroutines, bytes := used()
		for range flows / 2 {
			x, y := standing(b, e, h), standing(b, e, h)
			if err := y.Start(x.Local(), false, true); err != nil {
				b.Fatal(err)
			}
			if err := x.Start(y.Local(), true, true); err != nil {
				b.Fatal(err)
			}
		}
		time.Sleep(3 * time.Second) // all have found each other, and stand
		g, m := used()
		b.ReportMetric(float64(g-goroutines)/flows, "goroutines/flow")
		b.ReportMetric(float64(m-bytes)/flows, "bytes/flow")
		if err := e.Close(); err != nil {
			b.Error(err)
		}
		if err := h.Close(); err != nil {
			b.Error(err)
		}
	}
}

func standing(b *testing.B, e *media.Engine, h *Host) *Socket {
	b.Helper()
	here := netip.MustParseAddr("127.0.0.1")
	f, err := e.Open(media.Audio, here, 0, media.Events{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := h.Open(f, Options{Bind: here})
	if err != nil {
		b.Fatal(err)
	}
	s.Single()
	<-s.Gathered()
	f.Configure(media.Remote{Direction: media.SendRecv, Formats: []codec.Format{mulaw}})
	return s
}

func used() (goroutines int, bytes int64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), int64(m.HeapInuse + m.StackInuse)
}
