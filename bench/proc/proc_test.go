package proc

import (
	"os"
	"testing"
	"time"
)

func TestCostsAreRead(t *testing.T) {
	p, err := Start("", "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if bytes, err := p.RSS(); err != nil || bytes < int64(os.Getpagesize()) {
		t.Errorf("resident memory %d bytes, %v", bytes, err)
	}
	if used, err := p.CPU(); err != nil || used < 0 {
		t.Errorf("processor time %v, %v", used, err)
	}
}

func TestEndIsTold(t *testing.T) {
	p, err := Start("", "sh", "-c", "echo last words; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(time.Minute); err == nil {
		t.Error("exit code 3 passed for success")
	}
	if got := p.Tail(); got != "last words\n" {
		t.Errorf("output %q", got)
	}
	if _, err := p.CPU(); err == nil {
		t.Error("an ended process still costs")
	}
}

func TestNameMayHoldAnything(t *testing.T) {
	got := fields("42 (a) b (c) S 1 42 7")
	if len(got) != 4 || got[pgrp] != "42" {
		t.Errorf("fields %q", got)
	}
}
