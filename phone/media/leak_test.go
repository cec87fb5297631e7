package media

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// Ten thousand calls of all ways leave nothing behind: no port, nothing that
// ticks, no goroutine, no memory to speak of.
func TestTenThousandCallsLeaveNothing(t *testing.T) {
	if underRace || testing.Short() {
		t.Skip("10,000 calls take half a minute with the race detector")
	}
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		room := NewMixer(e, MixerConfig{})
		calls := func(n int) (memory uint64, goroutines int) {
			for i := range n {
				callOf(t, e, room, i)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc, runtime.NumGoroutine()
		}
		before, running := calls(500)
		after, still := calls(10000)
		if used, _ := e.Ports(); used != 0 || !e.pacer.idle() || len(room.Seats()) != 0 {
			t.Errorf("%d ports in use, ticks: %v, %d seats", used, !e.pacer.idle(), len(room.Seats()))
		}
		if still > running {
			t.Errorf("%d goroutines more", still-running)
		}
		if after > before+1<<20 {
			t.Errorf("%d kB more after 10,000 calls", (after-before)>>10)
		}
	})
}

// callOf is one call that changes its ways, of two phones or with the room.
func callOf(t *testing.T, e *Engine, room *Mixer, i int) {
	a, b := newPhone(t, e, "1.1.1.1", pcmu), newPhone(t, e, "2.2.2.2", linear2)
	if i%3 == 0 {
		s := room.Seat(SeatOptions{})
		defer s.Close()
		defer Join(a.flow, s).Close()
	} else {
		bridge := Join(a.flow, b.flow)
		defer bridge.Close()
		bridge.Need(WayMix)
		tap, err := bridge.Tap(Tap{Take: func([]int16) {}})
		if err != nil {
			t.Fatal(err)
		}
		if i%3 == 1 {
			defer tap.Close()
		}
		if _, err := bridge.Play(Both, Source{Next: func([]int16) bool { return true }}); err != nil {
			t.Fatal(err)
		}
		bridge.Need(WayNone)
	}
	talk(2, a, b)
	a.flow.Close()
	b.flow.Close()
}
