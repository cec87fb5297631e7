package media

import (
	"sync"
	"time"

	"tincan/phone/codec"
	"tincan/phone/codec/l16"
)

// PCMConfig is what an application gives and takes. The functions are called
// from media goroutines, must not block, and must not call the bridge that the
// flow is in.
type PCMConfig struct {
	// Rate is 8000, 16000, 24000, 32000 or 48000 samples a second; 0: 8000.
	Rate int
	// Source fills pcm with 20 ms of sound; false means that it has ended
	// and filled nothing. Nil: the application never speaks.
	Source func(pcm []int16) bool
	// Sink takes sound as it comes, and silence for the time in which nothing
	// was sent; it must keep nothing of pcm. Nil: the application does not
	// listen.
	Sink func(pcm []int16)
	// Done is told once that Source has ended; it may be nil.
	Done func()
}

// PCM is the flow of an application: linear sound. It speaks while it is
// routed. Its methods may be called by any goroutine.
type PCM struct {
	engine *Engine
	config PCMConfig
	format codec.Format
	codec  l16.Codec

	mu    sync.Mutex // guards what follows
	route Sink
	ended bool

	// The pacer's alone.
	pcm     []int16
	payload []byte
	time    uint32
	packet  Packet

	// Deliver's alone.
	heard []int16
	from  *Run
	next  uint32 // time expected
}

// longestPause bounds the silence that is made for the time in which a party
// sent nothing.
const longestPause = time.Minute

// NewPCM makes a flow for an application.
func NewPCM(e *Engine, c PCMConfig) *PCM {
	if c.Rate == 0 {
		c.Rate = 8000
	}
	n := samplesIn(tickEvery, c.Rate)
	return &PCM{
		engine: e, config: c, codec: l16.Codec{SampleRate: c.Rate},
		format: codec.Format{Name: "l16", Clock: uint32(c.Rate), Channels: 1},
		pcm:    make([]int16, n), payload: make([]byte, 2*n),
		heard: make([]int16, samplesIn(longestPacket, c.Rate)),
	}
}

// Engine gives the engine that paces the flow.
func (f *PCM) Engine() *Engine { return f.engine }

// Terms says that the flow speaks and hears 16-bit sound.
func (f *PCM) Terms() Terms {
	t := Terms{Kind: Audio, steady: true}
	if f.config.Source != nil {
		t.Sends = []codec.Format{f.format}
	}
	if f.config.Sink != nil {
		t.Accepts = []codec.Format{f.format}
	}
	return t
}

// Route says who hears the application; nil: nobody, and Source rests.
func (f *PCM) Route(to Sink) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.route = to
	if to == nil || f.ended || f.config.Source == nil {
		f.engine.pacer.remove(f)
		return
	}
	f.engine.pacer.add(f)
}

// Deliver gives sound to the application.
func (f *PCM) Deliver(p *Packet) {
	if p.Type != Media || f.config.Sink == nil {
		return
	}
	if gap := int32(p.Time - f.next); f.from == p.Source && gap > 0 {
		f.silence(min(int(gap), samplesIn(longestPause, f.config.Rate)))
	}
	f.from, f.next = p.Source, p.Time
	if n, err := f.codec.Decode(f.heard, p.Payload); err == nil {
		f.next += uint32(n)
		f.config.Sink(f.heard[:n])
	}
}

// silence gives n samples of it.
func (f *PCM) silence(n int) {
	clear(f.heard)
	for n > 0 {
		k := min(n, len(f.heard))
		f.config.Sink(f.heard[:k])
		n -= k
	}
}

func (f *PCM) tick(due time.Duration) {
	f.mu.Lock()
	to := f.route
	f.mu.Unlock()
	if to == nil {
		return
	}
	if !f.config.Source(f.pcm) {
		f.end()
		return
	}
	n, err := f.codec.Encode(f.payload, f.pcm)
	if err != nil {
		return
	}
	f.packet = Packet{
		Format: &f.format, Payload: f.payload[:n], Time: f.time, Arrival: due, Marker: f.time == 0,
	}
	f.time += uint32(len(f.pcm))
	to.Deliver(&f.packet)
}

func (f *PCM) end() {
	f.mu.Lock()
	f.ended = true
	f.engine.pacer.remove(f)
	f.mu.Unlock()
	if f.config.Done != nil {
		f.config.Done()
	}
}
