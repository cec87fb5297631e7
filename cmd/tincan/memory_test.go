package main

import (
	"math"
	"runtime/debug"
	"testing"
)

// Garbage has a bound within the machine's memory, and what the environment says
// stands.
func TestGarbageIsBounded(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	defer func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) }()

	t.Setenv("GOGC", "100")
	t.Setenv("GOMEMLIMIT", "off")
	boundGarbage()
	if p, l := debug.SetGCPercent(100), debug.SetMemoryLimit(-1); p != 100 || l != math.MaxInt64 {
		t.Errorf("%d %%, %d bytes: the environment's were 100 and none", p, l)
	}

	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	boundGarbage()
	p, l := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	if p != garbagePercent || l < 100<<20 || l == math.MaxInt64 {
		t.Errorf("%d %%, %d bytes", p, l)
	}
}
