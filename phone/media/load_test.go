package media

import (
	"syscall"
	"testing"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
)

// BenchmarkLoad gives the CPU time a packet in, through real sockets and in
// real time, one iteration 20 ms (-benchtime 150x): of calls that are relayed,
// and of rooms. It holds what the test itself takes to send, alike in all.
func BenchmarkLoad(b *testing.B) {
	b.Run("relay-30", func(b *testing.B) { benchmarkLoad(b, 30, 30, false) })
	b.Run("relay-60", func(b *testing.B) { benchmarkLoad(b, 60, 60, false) })
	b.Run("relay-120", func(b *testing.B) { benchmarkLoad(b, 120, 120, false) })
	b.Run("room-30", func(b *testing.B) { benchmarkLoad(b, 30, 30, true) })
	b.Run("room-60", func(b *testing.B) { benchmarkLoad(b, 60, 60, true) })
	b.Run("room-120", func(b *testing.B) { benchmarkLoad(b, 120, 120, true) })
	b.Run("relay-520", func(b *testing.B) { benchmarkLoad(b, 520, 520, false) })
	b.Run("room-520-20-speak", func(b *testing.B) { benchmarkLoad(b, 520, 20, true) })
}

func benchmarkLoad(b *testing.B, parties, speakers int, room bool) {
	e := realEngine(b)
	m := NewMixer(e, MixerConfig{Rate: 8000, Leveled: true})
	all := make([]*party, parties)
	for i := range all {
		all[i] = newParty(b, e, loopback)
		if room {
			Join(all[i].flow, m.Seat(SeatOptions{}))
		} else if i%2 == 1 {
			Join(all[i-1].flow, all[i].flow)
		}
	}
	voice, quiet := make([]byte, 172), make([]byte, 172)
	_, _ = must(codec.NewEncoder(pcmu)).Encode(voice[rtp.HeaderLen:], loud(160))
	_, _ = must(codec.NewEncoder(pcmu)).Encode(quiet[rtp.HeaderLen:], make([]int16, 160))
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	before, seq := cpu(b), uint16(0)
	for b.Loop() {
		<-ticker.C
		for i, p := range all {
			packet := quiet
			if i < speakers {
				packet = voice
			}
			rtp.Put(packet, rtp.Header{Seq: seq, Time: uint32(seq) * 160, SSRC: uint32(i)})
			if _, err := p.conn.WriteToUDPAddrPort(packet, p.to); err != nil {
				b.Fatal(err)
			}
		}
		seq++
	}
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/float64(b.N*parties), "us-cpu/packet")
	b.ReportMetric(0, "ns/op")
}

// cpu is what the process has taken.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
