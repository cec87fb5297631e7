// Package proc runs a server as a process of its own and reads what it costs
// from /proc: processor time and resident memory of it and its children.
//
// Each process has one goroutine that reads its output and reaps it.
package proc

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// tick is the unit of processor time in /proc: 100 a second on every Linux
	// that Go runs on (proc(5), sysconf(_SC_CLK_TCK)).
	tick = 10 * time.Millisecond

	// stopPatience is how long a process may take to end when asked.
	stopPatience = 3 * time.Second

	// tailBytes of output are kept to explain a failure.
	tailBytes = 4096
)

// Process is a running program. Its methods are safe for any goroutine.
type Process struct {
	Name  string
	cmd   *exec.Cmd
	lines chan string
	done  chan struct{}

	mu   sync.Mutex
	tail []byte // guarded by mu
}

// Start runs a program in a process group of its own, in folder when that is
// not empty. Its output's lines can be had from Line.
func Start(folder, name string, args ...string) (*Process, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "TERM=dumb")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, input, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = input, input
	err = cmd.Start()
	_ = input.Close() // the child has its own
	if err != nil {
		_ = output.Close()
		return nil, err
	}
	p := &Process{Name: filepath.Base(name), cmd: cmd, lines: make(chan string, 4096), done: make(chan struct{})}
	go p.follow(output)
	return p, nil
}

func (p *Process) follow(output *os.File) {
	defer close(p.done)
	scanner := bufio.NewScanner(output)
	for scanner.Scan() {
		p.keep(scanner.Bytes())
		select {
		case p.lines <- scanner.Text():
		default: // nobody reads them
		}
	}
	_ = output.Close()
	close(p.lines)
	_ = p.cmd.Wait() // told by ExitCode
}

func (p *Process) keep(line []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tail = append(append(p.tail, line...), '\n')
	if extra := len(p.tail) - tailBytes; extra > 0 {
		p.tail = bytes.Clone(p.tail[extra:])
	}
}

// Tail is the end of what it has printed.
func (p *Process) Tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.tail)
}

// Lines gives its output line by line; it is closed when the process ends.
func (p *Process) Lines() <-chan string { return p.lines }

// Done is closed when it has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for its end, at most d, and fails unless it ended with 0.
func (p *Process) Wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		return fmt.Errorf("%s still runs after %v; it said last:\n%s", p.Name, d, p.Tail())
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with %d; it said last:\n%s", p.Name, code, p.Tail())
	}
	return nil
}

// Stop asks it and its children to end, and kills them when they do not.
func (p *Process) Stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) // they may be gone
	timer := time.NewTimer(stopPatience)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

// CPU is the processor time that it and its children have used, in steps of
// 10 ms.
func (p *Process) CPU() (time.Duration, error) {
	var sum time.Duration
	err := p.each(func(stat []string) error {
		for _, field := range []int{utime, stime} {
			n, err := strconv.ParseInt(stat[field], 10, 64)
			if err != nil {
				return err
			}
			sum += time.Duration(n) * tick
		}
		return nil
	})
	return sum, err
}

// Machine is the processor time that all processes and the kernel have used since
// the machine started (proc(5), /proc/stat).
func Machine() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var user, nice, system, idle, wait, irq, softirq int64
	if _, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq); err != nil {
		return 0, fmt.Errorf("/proc/stat: %q: %w", line, err)
	}
	return time.Duration(user+nice+system+irq+softirq) * tick, nil
}

// RSS is the resident memory of it and its children in bytes. Pages that
// children share are counted in each.
func (p *Process) RSS() (int64, error) {
	var sum int64
	err := p.each(func(stat []string) error {
		pages, err := strconv.ParseInt(stat[rss], 10, 64)
		sum += pages * int64(os.Getpagesize())
		return err
	})
	return sum, err
}

// Fields of /proc/PID/stat behind the program's name (proc(5) counts from the
// process id: these are its fields 5, 14, 15 and 24).
const (
	pgrp  = 2
	utime = 11
	stime = 12
	rss   = 21
)

// each calls visit for every process of the group.
func (p *Process) each(visit func(stat []string) error) error {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	found := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		stat := fields(string(text))
		if len(stat) <= rss || stat[pgrp] != strconv.Itoa(p.cmd.Process.Pid) {
			continue
		}
		found = true
		if err := visit(stat); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if !found {
		return fmt.Errorf("%s has ended; it said last:\n%s", p.Name, p.Tail())
	}
	return nil
}

// fields splits a stat line behind the name, which stands in parentheses and
// may hold anything.
func fields(stat string) []string {
	_, rest, _ := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	return strings.Fields(rest)
}

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }
