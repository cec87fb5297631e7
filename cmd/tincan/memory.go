package main

import (
	"context"
	"os"
	"runtime/debug"
	gometrics "runtime/metrics"
	"time"

	"golang.org/x/sys/unix"

	"tincan/config"
)

// tidyEvery is how long a server that is calm keeps memory that it does not need.
// A busy one collects its garbage more often by itself.
const tidyEvery = 10 * time.Second

// tidyAbove is how much garbage is worth the work, as a share of what is in use.
const tidyAbove = 0.25

// garbagePercent is how much garbage may gather, in percent of what is in use,
// before it is collected. What is in use is a few megabytes, and a collection costs
// as much as three calls: with Go's own 100 that is a thirtieth of a busy server's
// work, for some megabytes that the tidying below gives back anyway. GOGC in the
// environment says otherwise.
const garbagePercent = 200

// memoryShare is how much of the machine's memory the program may have before
// garbage is collected as often as that takes: gathered garbage must not be what a
// Raspberry Pi of 512 MB runs out of. GOMEMLIMIT in the environment says otherwise.
const memoryShare = 0.5

// boundGarbage sets how much garbage may gather.
func boundGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	var machine unix.Sysinfo_t
	if os.Getenv("GOMEMLIMIT") == "" && unix.Sysinfo(&machine) == nil {
		debug.SetMemoryLimit(int64(memoryShare * float64(machine.Totalram) * float64(machine.Unit)))
	}
}

// openTidy gives the memory of calls that were set up back to the system once the
// server is calm: Go itself would wait for two minutes, and then keep it.
func (s *server) openTidy(context.Context, *config.Config) error {
	boundGarbage()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.onClose(func() error { cancel(); <-done; return nil })
	go func() {
		defer close(done)
		tick := time.NewTicker(tidyEvery)
		defer tick.Stop()
		last := readHeap()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := readHeap()
			if now.cycles == last.cycles && now.garbage() {
				debug.FreeOSMemory()
				now = readHeap()
			}
			last = now
		}
	}()
	return nil
}

// heap is what tells whether there is garbage.
type heap struct{ cycles, live, objects uint64 }

func readHeap() heap {
	samples := []gometrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
	}
	gometrics.Read(samples)
	return heap{samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()}
}

func (h heap) garbage() bool { return float64(h.objects) > (1+tidyAbove)*float64(h.live) }
