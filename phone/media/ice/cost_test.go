package ice

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media"
	"tincan/phone/media/secure"
)

// BenchmarkStandingFlows tells what a flow costs that stands as of a phone in a
// browser (ICE, one port for RTP and RTCP, keys by DTLS), on real sockets:
// goroutines, and bytes of heap and stacks.
func BenchmarkStandingFlows(b *testing.B) {
	const flows = 200 // both ends of 100 calls
	identity, err := secure.NewIdentity([]byte("a seed of thirty-two bytes or so"))
	if err != nil {
		b.Fatal(err)
	}
	for range b.N {
		e, err := media.NewEngine(media.Config{First: 30000, Last: 31999})
		if err != nil {
			b.Fatal(err)
		}
		h, err := NewHost(Config{})
		if err != nil {
			b.Fatal(err)
		}
		var all []*media.RTP
		goroutines, bytes := used()
		for range flows / 2 {
			x, xf := standing(b, e, h)
			y, yf := standing(b, e, h)
			if err := y.Start(x.Local(), false, true); err != nil {
				b.Fatal(err)
			}
			if err := x.Start(y.Local(), true, true); err != nil {
				b.Fatal(err)
			}
			all = append(all, xf, yf)
			for f, begins := range map[*media.RTP]bool{xf: true, yf: false} {
				terms := &secure.Terms{Identity: identity, Active: begins, Prints: []secure.Fingerprint{identity.Fingerprint()}}
				f.Configure(media.Remote{
					Direction: media.SendRecv, Mux: true, Formats: []codec.Format{mulaw}, Handshake: terms,
				})
			}
		}
		time.Sleep(standTime)
		g, m := used()
		for _, f := range all {
			if f.Stats().Suite == "" {
				b.Error("a flow has found no keys")
			}
		}
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

// standTime is until all have found each other and their keys, and nothing of the
// handshakes is left.
const standTime = 45 * time.Second

func standing(b *testing.B, e *media.Engine, h *Host) (*Socket, *media.RTP) {
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
	return s, f
}

func used() (goroutines int, bytes int64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), int64(m.HeapInuse + m.StackInuse)
}
