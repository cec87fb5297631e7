package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// openMap takes the pinned map, if its shape is ours, or makes one.
func (r *Relay) openMap(size int) error {
	spec := &ebpf.MapSpec{
		Name: mapName, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(slotSize), MaxEntries: uint32(size),
		Flags: unix.BPF_F_MMAPABLE,
	}
	pin := filepath.Join(r.config.Folder, mapPin)
	if r.config.Folder != "" {
		if m, err := ebpf.LoadPinnedMap(pin, nil); err == nil {
			info, err := m.Info()
			if err == nil && info.Name == mapName && spec.Compatible(m) == nil {
				r.streams = m
				return nil
			}
			r.log.Info("kernel relay: what an earlier version left is removed", "folder", r.config.Folder)
			_ = m.Close()
		}
		if err := clear(r.config.Folder); err != nil {
			return err
		}
	}
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return fmt.Errorf("make the map: %w", err)
	}
	r.streams = m
	if r.config.Folder == "" {
		return nil
	}
	if err := os.MkdirAll(r.config.Folder, 0o700); err != nil {
		return err
	}
	if err := m.Pin(pin); err != nil {
		return fmt.Errorf("pin %s: %w", pin, err)
	}
	return nil
}

// clear removes pins, and with them links and map.
func clear(folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("remove old pins: %w", err)
	}
	return nil
}

func mapped(m *ebpf.Map, size int) ([]byte, error) {
	page := os.Getpagesize()
	memory, err := unix.Mmap(m.FD(), 0, (size+page-1)/page*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map memory: %w", err)
	}
	return memory[:size:size], nil
}

func load(first uint16, pairs int, streams *ebpf.Map) (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: programName, Type: ebpf.SchedCLS, License: "MIT",
		Instructions: program(first, pairs, streams.FD()),
	})
	if err != nil {
		return nil, fmt.Errorf("load the program: %w", err)
	}
	return p, nil
}

// monotonic is the clock by which the program counts.
func monotonic() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
