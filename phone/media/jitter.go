package media

import "time"

// jitter turns sound that comes in packets into sound that is taken by the
// clock. A better one (adaptive, concealing losses) takes its place by this
// interface.
type jitter interface {
	// put adds a packet's sound, after a hole of gap samples.
	put(pcm []int16, gap int)
	// take fills dst with what is next, and silence where there is nothing.
	take(dst []int16)
}

// queueMost bounds the delay that a burst or a fast clock can pile up.
const queueMost = 200 * time.Millisecond

// queue is the least of jitter buffers: it waits for one packet, then gives
// what it has, and waits for one again when it ran dry.
type queue struct {
	pcm     []int16
	most    int
	longest int // short holes, up to so many samples, are filled with silence
	enough  int // one packet
	playing bool
}

func newQueue(rate int) *queue {
	return &queue{most: samplesIn(queueMost, rate), longest: samplesIn(concealed, rate)}
}

func (q *queue) put(pcm []int16, gap int) {
	if gap <= q.longest {
		q.pcm = append(q.pcm, make([]int16, gap)...)
	}
	q.pcm = append(q.pcm, pcm...)
	q.enough = len(pcm)
	if over := len(q.pcm) - q.most; over > 0 {
		q.drop(over)
	}
}

func (q *queue) take(dst []int16) {
	if !q.playing && len(q.pcm) >= max(q.enough, len(dst)) {
		q.playing = true
	}
	n := 0
	if q.playing {
		n = copy(dst, q.pcm)
		q.drop(n)
	}
	clear(dst[n:])
	if n < len(dst) {
		q.playing = false
	}
}

// drop removes the oldest samples, keeping the room.
func (q *queue) drop(n int) { q.pcm = q.pcm[:copy(q.pcm, q.pcm[n:])] }
