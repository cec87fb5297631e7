package deck

import (
	"sync"
	"time"

	"tincan/phone/media"
	"tincan/phone/media/file"
)

// Recording tells what became of a recording.
type Recording struct {
	Length time.Duration // of the sound in the file
	Lost   time.Duration // of it, silence in place of what a slow disk did not take
	Err    error         // why it ended before it was stopped: the disk, or its length
}

// RecordConfig is how a Recorder records.
type RecordConfig struct {
	Rate   int
	Stereo bool
	// Most ends the recording when it is so long; 0: whenever it is stopped.
	Most time.Duration
	// Ended is told once, from the recorder's goroutine, when the file is closed;
	// it may be nil.
	Ended func(Recording)
}

// Recorder writes what a tap hears. Its methods may be called by any goroutine.
type Recorder struct {
	config RecordConfig
	open   func() (file.Writer, error)
	blocks int // samples of a block

	full chan []int16
	free chan []int16
	gone sync.WaitGroup

	mu     sync.Mutex // guards what follows
	closed bool
	missed int // blocks since the last that was taken

	result Recording // the goroutine's; after gone, anyone's
}

// Record opens a file, on the recorder's goroutine, and writes to it until Stop or
// Finish, an error of the disk, or the most.
func Record(open func() (file.Writer, error), c RecordConfig) *Recorder {
	n := int(behindTime / blockTime)
	r := &Recorder{config: c, open: open, full: make(chan []int16, n), free: make(chan []int16, n)}
	r.blocks = samples(blockTime, c.Rate) * r.channels()
	r.gone.Go(r.write)
	return r
}

func (r *Recorder) channels() int {
	if r.config.Stereo {
		return 2
	}
	return 1
}

// Tap is what a mix is given to be recorded.
func (r *Recorder) Tap() media.Tap {
	return media.Tap{Rate: r.config.Rate, Stereo: r.config.Stereo, Take: r.Take}
}

// Take adds 20 ms, without waiting.
func (r *Recorder) Take(pcm []int16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	for ; r.missed > 0; r.missed-- {
		if !r.put(nil) {
			break
		}
	}
	if r.missed > 0 || !r.put(pcm) {
		r.missed++
	}
}

// put hands a block to the goroutine; nil is silence.
func (r *Recorder) put(pcm []int16) bool {
	if len(r.full) == cap(r.full) { // only put, under the lock, makes it fuller
		return false
	}
	var block []int16
	if pcm != nil {
		select {
		case block = <-r.free:
		default:
			block = make([]int16, 0, r.blocks) // up to the ring's length of them
		}
		block = append(block[:0], pcm...)
	}
	r.full <- block
	return true
}

// Finish ends the recording without waiting for the disk.
func (r *Recorder) Finish() { r.close() }

// Stop ends the recording and waits for the file: up to behindTime of sound, and
// however long the disk takes.
func (r *Recorder) Stop() Recording {
	r.close()
	r.gone.Wait()
	return r.result
}

func (r *Recorder) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		close(r.full)
	}
}

// write is the goroutine.
func (r *Recorder) write() {
	w, err := r.open()
	if r.result.Err = err; err != nil {
		r.close()
	}
	silence := make([]int16, r.blocks)
	for block := range r.full {
		if r.result.Err != nil || r.ample() {
			continue // what was under way when it ended
		}
		if r.result.Err = w.Write(orElse(block, silence)); r.result.Err != nil {
			r.close()
			continue
		}
		r.result.Length += blockTime
		if block == nil {
			r.result.Lost += blockTime
			continue
		}
		select {
		case r.free <- block:
		default:
		}
		if r.ample() {
			r.close()
		}
	}
	if w != nil {
		if err := w.Close(); r.result.Err == nil {
			r.result.Err = err
		}
	}
	if r.config.Ended != nil {
		r.config.Ended(r.result)
	}
}

func (r *Recorder) ample() bool { return r.config.Most > 0 && r.result.Length >= r.config.Most }

func orElse(block, silence []int16) []int16 {
	if block == nil {
		return silence
	}
	return block
}
