package call

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"tincan/bus"
	"tincan/phone/call/record"
	"tincan/phone/codec"
	"tincan/phone/media"
	"tincan/phone/media/quality"
	"tincan/phone/media/rtp"
	"tincan/phone/media/udp"
)

var (
	pcmu   = codec.Format{PT: 0, Name: "pcmu", Clock: 8000, Channels: 1}
	pcma   = codec.Format{PT: 8, Name: "pcma", Clock: 8000, Channels: 1}
	amr    = codec.Format{PT: 97, Name: "amr", Clock: 8000, Channels: 1} // made nowhere here
	linear = codec.Format{PT: 97, Name: "l16", Clock: 8000, Channels: 1}
)

// packet is the samples of 20 ms.
const packet = 160

// network is ports without sockets.
type network struct {
	mu    sync.Mutex
	ports map[uint16]*port
}

func (n *network) Open(_ netip.Addr, number uint16, _ udp.Buffers, h udp.Handler) (media.Socket, error) {
	p := &port{number: number, handler: h}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ports[number] = p
	return p, nil
}

func (n *network) Close() error { return nil }

// port keeps what is sent and hands in what the test says.
type port struct {
	number  uint16
	handler udp.Handler
	in      []byte
	mu      sync.Mutex // guards out
	out     [][]byte
}

func (p *port) Port() uint16 { return p.number }
func (p *port) Close() error { return nil }
func (p *port) Recv(_ bool, buf []byte) (int, netip.AddrPort, bool) {
	return copy(buf, p.in), netip.MustParseAddrPort("10.0.0.1:4000"), true
}

func (p *port) Send(control bool, b []byte, _ netip.AddrPort) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !control {
		p.out = append(p.out, append([]byte(nil), b...))
	}
	return nil
}

// leg is a fake party. What it is told is kept; what it does, the test says.
type leg struct {
	w      *world
	id     string
	kind   string // "rtp", "iax", "app"
	format codec.Format
	caller bool

	mu       sync.Mutex // guards what follows
	owner    Owner
	flows    []media.Flow
	alerts   []int
	answers  []media.Description
	offers   []media.Description
	replies  []error
	digits   []media.Digit
	hangups  []Cause
	releases int
	answered bool
	ended    bool
	since    string // what its state says beside its id

	say         func()             // 20 ms of sound, if it can speak
	become      func(codec.Format) // its media are agreed anew
	encryption  string             // as Info has it
	unencrypted bool

	// heard gives how many samples came since the last time, as one stream.
	heard func(t *testing.T) int
}

func (l *leg) ID() string { return l.id }

func (l *leg) Own(o Owner) {
	l.mu.Lock()
	l.owner = o
	l.mu.Unlock()
	if c, ok := o.(*Call); ok && l.w.manual && l.caller {
		l.w.take(c)
	}
}

func (l *leg) do(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *leg) Alert(code int, _ *media.Description) {
	l.do(func() { l.alerts = append(l.alerts, code) })
}
func (l *leg) Prepare(media.Description)  {}
func (l *leg) Renew(media.Description)    {}
func (l *leg) Quality() quality.Account   { return quality.Account{} }
func (l *leg) Answer(d media.Description) { l.do(func() { l.answers = append(l.answers, d) }) }
func (l *leg) Offer(d media.Description)  { l.do(func() { l.offers = append(l.offers, d) }) }
func (l *leg) Digit(d media.Digit)        { l.do(func() { l.digits = append(l.digits, d) }) }
func (l *leg) Hangup(c Cause)             { l.do(func() { l.hangups = append(l.hangups, c) }) }

func (l *leg) Reply(_ media.Description, err error) {
	l.do(func() { l.replies = append(l.replies, err) })
}

func (l *leg) Able() media.Description {
	return media.Description{Streams: []media.Stream{{Kind: media.Audio, Proto: "RTP/AVP", RTP: media.Pending, Direction: media.SendRecv, Formats: []codec.Format{l.format}}}}
}

func (l *leg) Flows() (flows []media.Flow) {
	l.do(func() { flows = append(flows, l.flows...) })
	return flows
}

func (l *leg) Release() {
	l.do(func() {
		l.releases++
		for _, f := range l.flows {
			if r, ok := f.(*media.RTP); ok {
				r.Close()
			} else if f != nil {
				f.Route(nil)
			}
		}
		l.flows = nil
	})
}

func (l *leg) Info() Info {
	return Info{Kind: l.kind, Party: l.kind + ":" + l.id, CallID: l.id, Encryption: l.encryption, Unencrypted: l.unencrypted}
}

func (l *leg) State() (state []byte) {
	l.do(func() { state = []byte(l.id + l.since) })
	return state
}

// post tells the owner under the leg's own lock, as a SIP leg does.
func (l *leg) post(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owner != nil {
		l.owner.Post(e)
	} else if ended, ok := e.(Ended); ok && ended.Written != nil {
		go ended.Written()
	}
}

func (l *leg) describe() media.Description {
	return media.Description{Streams: []media.Stream{{
		Kind: media.Audio, Name: "audio", Proto: "RTP/AVP", RTP: media.Pending, Direction: media.SendRecv,
		Formats: []codec.Format{l.format},
	}}}
}

// leave is the party hanging up.
func (l *leg) leave(cause Cause) {
	var already bool
	l.do(func() { already, l.ended = l.ended || len(l.hangups) > 0, true })
	if already {
		return
	}
	l.w.writtenWanted.Add(1)
	l.post(Ended{Leg: l, Cause: cause, Written: func() { l.w.written.Add(1) }})
}

// accept is the party answering.
func (l *leg) accept() {
	var ok bool
	l.do(func() {
		ok = !l.caller && !l.answered && !l.ended && len(l.hangups) == 0
		l.answered = l.answered || ok
	})
	if ok {
		l.post(Answered{Leg: l, Answer: l.describe()})
	}
}

func (l *leg) live() (ok bool) {
	l.do(func() { ok = !l.ended && len(l.hangups) == 0 })
	return ok
}

// newLeg makes a party with its media.
func (w *world) newLeg(id, kind string, f codec.Format, caller bool) *leg {
	w.t.Helper()
	l := &leg{w: w, id: id, kind: kind, format: f, caller: caller}
	switch kind {
	case "rtp":
		w.speakRTP(l)
	case "iax":
		flow := &iaxFlow{engine: w.engine, format: f}
		l.flows, l.say, l.heard = []media.Flow{flow}, flow.say, flow.count
	case "app":
		var mu sync.Mutex
		n := 0
		l.flows = []media.Flow{media.NewPCM(w.engine, media.PCMConfig{
			Source: func(pcm []int16) bool { clear(pcm); return true },
			Sink:   func(pcm []int16) { mu.Lock(); defer mu.Unlock(); n += len(pcm) },
		})}
		l.say = func() {}
		l.heard = func(*testing.T) (got int) { mu.Lock(); defer mu.Unlock(); got, n = n, 0; return got }
	}
	w.legs = append(w.legs, l)
	return l
}

func (w *world) speakRTP(l *leg) {
	flow, err := w.engine.Open(media.Audio, netip.IPv4Unspecified(), 0, media.Events{})
	if err != nil {
		w.t.Fatal(err)
	}
	configure := func() {
		flow.Configure(media.Remote{
			RTP: netip.MustParseAddrPort("10.0.0.1:4000"), Direction: media.SendRecv, Formats: []codec.Format{l.format},
		})
	}
	configure()
	l.become = func(f codec.Format) {
		l.format = f
		configure()
	}
	p := w.network.ports[flow.Port()]
	l.flows = []media.Flow{flow}
	h := rtp.Header{PT: l.format.PT, SSRC: uint32(flow.Port()), Seq: 100, Time: 7000}
	payload := make([]byte, packet*l.sampleBytes())
	l.say = func() {
		b := make([]byte, rtp.HeaderLen+len(payload))
		rtp.Put(b, h)
		copy(b[rtp.HeaderLen:], payload)
		h.PT, h.Seq, h.Time = l.format.PT, h.Seq+1, h.Time+packet
		p.in = b
		flow.Readable(false, make([]byte, udp.MaxDatagram))
	}
	l.heard = (&ear{port: p, leg: l}).hear
}

func (l *leg) sampleBytes() int {
	if l.format.Name == "l16" {
		return 2
	}
	return 1
}

// ear checks that what a phone is sent is one unbroken stream.
type ear struct {
	port  *port
	leg   *leg
	begun bool
	last  rtp.Header
	next  uint32
}

func (e *ear) hear(t *testing.T) (samples int) {
	t.Helper()
	e.port.mu.Lock()
	out := e.port.out
	e.port.out = nil
	e.port.mu.Unlock()
	for _, b := range out {
		if rtp.Classify(b) != rtp.Media {
			continue
		}
		h, payload, err := rtp.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if e.begun && (h.SSRC != e.last.SSRC || h.Seq != e.last.Seq+1) {
			t.Errorf("%s: %08x %d follows %08x %d", e.leg.id, h.SSRC, h.Seq, e.last.SSRC, e.last.Seq)
		}
		if gap := int32(h.Time - e.next); e.begun && (gap < 0 || gap > packet) {
			t.Errorf("%s: a gap of %d samples at %d", e.leg.id, gap, h.Seq)
		}
		n := len(payload) / e.leg.sampleBytes()
		e.begun, e.last, e.next = true, h, h.Time+uint32(n)
		samples += n
	}
	return samples
}

// iaxFlow is in the manner of IAX2: no SSRC, no sequence, milliseconds.
type iaxFlow struct {
	engine *media.Engine
	format codec.Format

	mu      sync.Mutex // guards what follows
	route   media.Sink
	ms      uint32
	samples int
}

func (f *iaxFlow) Engine() *media.Engine { return f.engine }

func (f *iaxFlow) Route(to media.Sink) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.route = to
}

func (f *iaxFlow) Terms() media.Terms {
	return media.Terms{Kind: media.Audio, Sends: []codec.Format{f.format}, Accepts: []codec.Format{f.format}}
}

func (f *iaxFlow) Deliver(p *media.Packet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.samples += len(p.Payload)
}

func (f *iaxFlow) count(*testing.T) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, f.samples = f.samples, 0
	return n
}

func (f *iaxFlow) say() {
	f.mu.Lock()
	to := f.route
	f.ms += 20
	at := f.ms * 8
	f.mu.Unlock()
	if to != nil {
		format := f.format
		to.Deliver(&media.Packet{Format: &format, Payload: make([]byte, packet), Time: at, Arrival: f.engine.Now()})
	}
}

var errStore = errors.New("the store is down")

// ledger answers at once, never, or when the test says.
type ledger struct {
	mu      sync.Mutex // guards what follows
	manual  bool
	err     error
	records map[string][]record.Record
	stands  map[string][]byte
	late    []string // stood after their end
	waiting []func()
}

func (l *ledger) answer(done func(error)) {
	err := l.err
	if l.manual {
		l.waiting = append(l.waiting, func() { done(err) })
		return
	}
	time.AfterFunc(time.Millisecond, func() { done(err) })
}

func (l *ledger) End(r record.Record, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records[r.ID] = append(l.records[r.ID], r)
	delete(l.stands, r.ID)
	l.answer(done)
}

func (l *ledger) Stand(id string, state []byte, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.records[id]) > 0 {
		l.late = append(l.late, id)
	}
	l.stands[id] = append([]byte(nil), state...)
	l.answer(done)
}

// flush answers what waits: the oldest, or all.
func (l *ledger) flush(all bool) {
	l.mu.Lock()
	n := min(1, len(l.waiting))
	if all {
		n = len(l.waiting)
	}
	now := l.waiting[:n]
	l.waiting = append([]func(){}, l.waiting[n:]...)
	l.mu.Unlock()
	for _, f := range now {
		f()
	}
}

// world is an exchange with fakes around it, in a bubble.
type world struct {
	t       *testing.T
	x       *Exchange
	ledger  *ledger
	engine  *media.Engine
	network *network
	legs    []*leg
	dials   map[string][]*leg // destination to its devices
	refuse  error             // of Dial

	dialledWith []Setup // one for each Dial
	ring        time.Duration
	noLeg       map[string]error // of Revive
	revived     func(*leg)       // may be nil
	manual      bool             // the test handles messages
	calls       []*Call

	movesDone              int
	moves                  int
	mu                     sync.Mutex // guards lastMove, movesDone, dialledWith
	lastMove               error
	written, writtenWanted counter
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) Add(n int) { c.mu.Lock(); defer c.mu.Unlock(); c.n += n }
func (c *counter) get() int  { c.mu.Lock(); defer c.mu.Unlock(); return c.n }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, network: &network{ports: map[uint16]*port{}}, dials: map[string][]*leg{}, noLeg: map[string]error{},
		ledger: &ledger{records: map[string][]record.Record{}, stands: map[string][]byte{}}, ring: time.Minute,
	}
	var err error
	w.engine, err = media.NewEngine(media.Config{First: 10000, Last: 10099, Network: w.network})
	if err != nil {
		t.Fatal(err)
	}
	ids := 0
	w.x = New(Config{
		Node: "n", Router: w, Ledger: w.ledger, Bus: &bus.Bus{}, Logger: slog.New(slog.DiscardHandler), RingTime: time.Minute,
		NewID: func() string { ids++; return fmt.Sprint("call", ids) },
	})
	return w
}

func (w *world) Route(_ Party, number string) (string, bool) { return number, number != "nowhere" }

func (w *world) Dial(destination string, set Setup, owner Owner) (Attempt, error) {
	w.mu.Lock()
	w.dialledWith = append(w.dialledWith, set)
	w.mu.Unlock()
	a := Attempt{Ring: w.ring}
	for _, l := range w.dials[destination] {
		l.Own(owner)
		a.Legs = append(a.Legs, l)
	}
	return a, w.refuse
}

func (w *world) Revive(kind string, state []byte, owner Owner) (Leg, error) {
	id := string(state)
	if err := w.noLeg[id]; err != nil {
		return nil, err
	}
	l := w.newLeg(id, kind, pcmu, false)
	l.Own(owner)
	if w.revived != nil {
		w.revived(l)
	}
	return l, nil
}

// call begins a call from a leg to a destination.
func (w *world) call(from *leg, to string) {
	w.x.Incoming(from, Setup{From: Party{Ref: "extension:" + from.id}, Dialled: to, Offer: from.describe()})
}

// take makes the test the one that handles the call's messages.
func (w *world) take(c *Call) {
	for _, o := range w.calls {
		if o == c {
			return
		}
	}
	c.actor.hold()
	w.calls = append(w.calls, c)
}

// step handles one message of a call.
func (w *world) step(i int) bool {
	if i >= len(w.calls) {
		return false
	}
	a := &w.calls[i].actor
	a.mu.Lock()
	if len(a.queue) == 0 {
		a.mu.Unlock()
		return false
	}
	m := a.queue[0]
	a.queue = a.queue[1:]
	a.mu.Unlock()
	a.handle(m)
	return true
}

// transfer counts what becomes of a transfer.
func (w *world) transfer(from *Call, l Leg, to *Call, replaced Leg) {
	w.moves++
	from.Transfer(l, to, replaced, func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.movesDone++
		w.lastMove = err
	})
}
