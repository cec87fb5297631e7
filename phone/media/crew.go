package media

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// crew spreads work that one core may not finish within a tick: one goroutine
// a core, the caller's among them. Work may itself give work to the crew.
type crew struct {
	jobs chan *job
	stop chan struct{}
	done sync.WaitGroup
}

// parts is work in independent parts, numbered from 0.
type parts interface {
	part(i int)
}

// job is one round of work. It is kept by whoever gives it, and used again.
type job struct {
	work    parts
	count   int64
	next    atomic.Int64
	running sync.WaitGroup
}

func newCrew() *crew {
	c := &crew{jobs: make(chan *job), stop: make(chan struct{})}
	for range runtime.GOMAXPROCS(0) - 1 {
		c.done.Go(c.labour)
	}
	return c
}

func (c *crew) close() {
	close(c.stop)
	c.done.Wait()
}

func (c *crew) labour() {
	for {
		select {
		case <-c.stop:
			return
		case j := <-c.jobs:
			j.run()
			j.running.Done()
		}
	}
}

// do finishes n parts of work; as many as grain are left to one core.
func (c *crew) do(j *job, work parts, n, grain int) {
	j.work, j.count = work, int64(n)
	j.next.Store(0)
	for range (n - 1) / grain {
		j.running.Add(1)
		if !c.offer(j) {
			j.running.Done()
			break
		}
	}
	j.run()
	j.running.Wait()
}

// offer gives a job to whoever has nothing to do.
func (c *crew) offer(j *job) bool {
	select {
	case c.jobs <- j:
		return true
	default:
		return false
	}
}

func (j *job) run() {
	for {
		i := j.next.Add(1) - 1
		if i >= j.count {
			return
		}
		j.work.part(int(i))
	}
}
