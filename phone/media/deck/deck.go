// Package deck plays files into calls and records calls to files. Media never
// waits for a disk: between the two stands a bounded ring of 20 ms blocks.
//
//	file ─> reader goroutine ─> ring of aheadTime ─> Next, every 20 ms ─> mix
//	mix ─> Take, every 20 ms ─> ring of behindTime ─> writer goroutine ─> file
//
// A Player or Recorder has one goroutine, which ends with it. What a slow disk
// does not give in time is heard as silence; what it does not take in time
// becomes silence of the same length in the file, counted.
package deck

import (
	"errors"
	"io"
	"sync"
	"time"

	"tincan/phone/media"
	"tincan/phone/media/file"
	"tincan/phone/media/resample"
)

const (
	// blockTime is the pace of media.Source and media.Tap.
	blockTime = 20 * time.Millisecond
	// aheadTime is how much is read ahead: a disk may sleep so long unheard.
	aheadTime = 500 * time.Millisecond
	// behindTime is how much waits for a slow disk: 10 s of 8 kHz are 160 kB.
	behindTime = 10 * time.Second
)

// PlayRate is the rate that players give: that of prompts and wide-band phones.
const PlayRate = 16000

// Item opens what is played next.
type Item func() (file.Reader, error)

// File is a file as an Item.
func File(path string) Item {
	return func() (file.Reader, error) { return file.Open(path) }
}

// PlayConfig is what a Player plays.
type PlayConfig struct {
	// Next gives what is played next, and false at the end. It is called from
	// the player's goroutine and may block.
	Next func() (Item, bool)
	// Failed is told of each item that could not be played or broke off; the
	// error names the file. It may be nil.
	Failed func(error)
	// Done is told when all has been heard or Stop was called; it may be nil.
	Done func()
}

// Items plays some items one after the other.
func Items(items ...Item) func() (Item, bool) {
	return func() (Item, bool) {
		if len(items) == 0 {
			return nil, false
		}
		first := items[0]
		items = items[1:]
		return first, true
	}
}

// Player plays. Its methods may be called by any goroutine.
type Player struct {
	config PlayConfig
	full   chan []int16
	free   chan []int16
	stop   chan struct{}
	once   sync.Once
	done   sync.WaitGroup
}

// Play begins to read ahead; the sound comes by Source.
func Play(c PlayConfig) *Player {
	n := int(aheadTime / blockTime)
	p := &Player{config: c, full: make(chan []int16, n), free: make(chan []int16, n), stop: make(chan struct{})}
	for range n {
		p.free <- make([]int16, samples(blockTime, PlayRate))
	}
	p.done.Go(p.read)
	return p
}

// Source is what a mix plays.
func (p *Player) Source() media.Source {
	return media.Source{Rate: PlayRate, Next: p.next, Done: func() {
		p.Stop()
		if p.config.Done != nil {
			p.config.Done()
		}
	}}
}

// Stop ends it. It does not wait: a file on a disk that hangs may be open for
// longer.
func (p *Player) Stop() { p.once.Do(func() { close(p.stop) }) }

// next gives the block that is due, and silence while the disk is late.
func (p *Player) next(pcm []int16) bool {
	select {
	case block, ok := <-p.full:
		if !ok {
			return false
		}
		copy(pcm, block)
		p.free <- block // there is room for all
	default:
		select {
		case <-p.stop:
			return false
		default:
			clear(pcm)
		}
	}
	return true
}

// read is the goroutine.
func (p *Player) read() {
	defer close(p.full)
	w := blocks{player: p}
	for {
		item, ok := p.config.Next()
		if !ok {
			w.finish()
			return
		}
		if err := w.play(item); err != nil {
			if errors.Is(err, errStopped) {
				return
			}
			if p.config.Failed != nil {
				p.config.Failed(err)
			}
		}
	}
}

var errStopped = errors.New("deck: stopped")

// blocks cuts sound of any rate into blocks.
type blocks struct {
	player *Player
	rate   int
	change *resample.Resampler
	raw    [960]int16
	sound  []int16
}

func (b *blocks) play(item Item) error {
	r, err := item()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was read only
	if b.rate != r.Rate() {
		if b.change, err = resample.New(r.Rate(), PlayRate); err != nil {
			return err
		}
		b.rate = r.Rate()
	}
	for {
		n, err := r.Read(b.raw[:])
		b.sound = b.change.Append(b.sound, b.raw[:n])
		if !b.put() {
			return errStopped
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// put hands on whole blocks.
func (b *blocks) put() bool {
	for len(b.sound) >= samples(blockTime, PlayRate) {
		select {
		case block := <-b.player.free:
			n := copy(block, b.sound)
			b.sound = b.sound[:copy(b.sound, b.sound[n:])]
			b.player.full <- block // there is room for all
		case <-b.player.stop:
			return false
		}
	}
	return true
}

// finish fills the last block up with silence.
func (b *blocks) finish() {
	if rest := len(b.sound); rest > 0 {
		b.sound = append(b.sound, make([]int16, samples(blockTime, PlayRate)-rest)...)
		b.put()
	}
}

func samples(d time.Duration, rate int) int { return int(d * time.Duration(rate) / time.Second) }
