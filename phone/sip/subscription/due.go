package subscription

import (
	"container/heap"
	"time"
)

// fix puts a subscription where it belongs in the heap. The caller holds mu.
func (m *Manager) fix(s *sub) {
	if m.subs[s.tag] != s {
		return
	}
	s.at = s.next()
	if s.heapAt < 0 {
		heap.Push(&m.due, s)
		return
	}
	heap.Fix(&m.due, s.heapAt)
}

// next is when something is to be done for a subscription.
func (s *sub) next() time.Time {
	switch {
	case s.inFlight:
		return s.expires.Add(maxHold) // its outcome comes first
	case s.ending != "":
		return s.earliest
	case s.dirty && !s.lost && s.earliest.Before(s.expires):
		return s.earliest
	case s.MinRate > 0 && !s.lost:
		again := s.sent.Add(max(rate(s.MinRate), quickest))
		if again.Before(s.expires) {
			return again
		}
	}
	return s.expires
}

// rate is the time between NOTIFYs of a rate in NOTIFYs a second (RFC 6446 3.3).
func rate(perSecond float64) time.Duration {
	if perSecond*float64(slowest) < float64(time.Second) {
		return slowest
	}
	return time.Duration(float64(time.Second) / perSecond)
}

// pace is the shortest time between a subscription's NOTIFYs.
func (s *sub) pace() time.Duration {
	if s.MaxRate <= 0 {
		return s.pack.Pace()
	}
	return max(s.pack.Pace(), rate(s.MaxRate))
}

func (m *Manager) wake() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// queue is a heap of subscriptions by when they are due.
type queue []*sub

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].heapAt, q[j].heapAt = i, j
}

func (q *queue) Push(x any) {
	s := x.(*sub)
	s.heapAt = len(*q)
	*q = append(*q, s)
}

func (q *queue) Pop() any {
	old := *q
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	s.heapAt = -1
	return s
}
