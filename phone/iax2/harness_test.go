package iax2

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tincan/bus"
	"tincan/phone/call"
	"tincan/phone/call/record"
	"tincan/phone/codec"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/media/quality"
	"tincan/phone/message"
	"tincan/secret"
	"tincan/store"
)

// house is a phone server that speaks IAX2 alone, on a network in memory.
type house struct {
	t        *testing.T
	net      *internet
	at       netip.AddrPort
	folder   string
	options  options
	iax2     *Server
	calls    *call.Exchange
	media    *media.Engine
	store    *store.Store
	bindings *directory.Bindings
	dir      *directory.Directory
	ledger   *record.Ledger
	bus      bus.Bus

	mu     sync.Mutex // guards what follows
	legs   []*toneLeg // that were called
	texts  []message.Message
	routes map[string]string
	ids    int
}

type options struct {
	extensions []directory.ExtensionForm
	trunks     []directory.TrunkForm
	routes     map[string]string // number to destination; "tone" answers itself
	settings   Settings
	public     string
	gate       Gate
	ringing    bool // the tone rings until it is told to answer
	codecs     []string
	key        *rsa.PrivateKey
}

func open(t *testing.T, net *internet, at string, o options) *house {
	t.Helper()
	h := &house{t: t, net: net, at: netip.MustParseAddrPort(at), folder: t.TempDir(), options: o, routes: o.routes}
	h.start(o)
	return h
}

func (h *house) start(o options) {
	h.t.Helper()
	ctx := context.Background()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(h.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	must := func(err error) {
		if err != nil {
			h.t.Helper()
			h.t.Fatal(err)
		}
	}
	var err error
	h.store, err = store.Open(ctx, h.folder, store.Options{Logger: log})
	must(err)
	box, err := secret.Open(h.folder)
	must(err)
	h.dir, err = directory.Open(ctx, h.store, box, "tincan")
	must(err)
	must(h.store.Update(ctx, func(tx *store.Tx) error {
		for i := range o.extensions {
			text, where := directory.Extensions{}.Secret(&o.extensions[i])
			*text = box.Seal([]byte(*text), where)
		}
		for i := range o.trunks {
			if text, where := (directory.Trunks{}).Secret(&o.trunks[i]); text != nil {
				*text = box.Seal([]byte(*text), where)
			}
		}
		return errors.Join(directory.Extensions{}.Write(tx, o.extensions, nil), directory.Trunks{}.Write(tx, o.trunks, nil))
	}))
	must(h.dir.Reload(ctx))
	h.bindings, err = directory.OpenBindings(ctx, h.store)
	must(err)
	h.ledger, err = record.Open(ctx, h.store)
	must(err)
	h.media, err = media.NewEngine(media.Config{First: 10000, Last: 10100, Logger: log, Network: noPorts{}})
	must(err)
	h.iax2 = New(Config{
		Directory: h.dir, Bindings: h.bindings, Media: h.media, Bus: &h.bus, Box: box, Logger: log,
		Network: host{h.net}, Gate: o.gate, Public: func(n string) bool { return o.public != "" && n == o.public }, Key: func() (*rsa.PrivateKey, error) { return o.key, nil },
		Timeout: time.Minute,
	}, o.settings)
	h.calls = call.New(call.Config{
		Node: "n1", Router: h, Ledger: h.ledger, Bus: &h.bus, Logger: log, RingTime: time.Minute, NewID: h.newID,
	})
	h.iax2.SetCalls(h.calls)
	h.iax2.SetTexts(h)
	_, err = h.iax2.Listen(h.at.String())
	must(err)
	all, err := h.ledger.Standing(ctx)
	must(err)
	for id, state := range all {
		must(h.calls.Adopt(id, state))
	}
	h.iax2.Start()
}

// restart ends the server as kill -9 does, and starts it again.
func (h *house) restart(off time.Duration) {
	h.t.Helper()
	h.net.mu.Lock()
	tap := h.net.tap
	h.net.tap = func(from, to netip.AddrPort, _ []byte) bool { return from != h.at && to != h.at }
	h.net.mu.Unlock()
	h.close()
	time.Sleep(off)
	h.net.mu.Lock()
	h.net.tap = tap
	h.net.mu.Unlock()
	o := h.options
	o.extensions, o.trunks = nil, nil
	h.start(o)
}

func (h *house) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(h.iax2.Close(), h.media.Close(), h.store.Close(ctx)); err != nil {
		h.t.Error(err)
	}
}

func (h *house) newID() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids++
	return fmt.Sprintf("%s-%d", h.at.Addr(), h.ids)
}

func (h *house) Send(m message.Message, done func(message.Result)) {
	h.mu.Lock()
	h.texts = append(h.texts, m)
	h.mu.Unlock()
	done(message.Result{})
}

// Route finds the destination of a number (call.Router).
func (h *house) Route(_ call.Party, number string) (string, bool) {
	if d, ok := h.routes[number]; ok {
		return d, true
	}
	_, ok := h.dir.Snapshot().Extension(number)
	return "extension:" + number, ok
}

// Dial calls tones, extensions and trunks (call.Router).
func (h *house) Dial(destination string, set call.Setup, owner call.Owner) (a call.Attempt, err error) {
	kind, name, _ := strings.Cut(destination, ":")
	snap := h.dir.Snapshot()
	switch kind {
	case "tone":
		offer, err := media.OfferFrom(set.Offer, set.From.Codecs, h.options.codecs)
		if err != nil {
			return a, err
		}
		l := h.tone(offer)
		l.owner = owner
		a.Legs = []call.Leg{l}
		owner.Post(call.Ringing{Leg: l, Code: 180})
		if !h.options.ringing {
			l.pickUp()
		}
		return a, nil
	case "extension":
		if e, ok := snap.Extension(name); ok {
			a.Legs, err = h.iax2.DialExtension(e, set, owner)
			if err == nil && len(a.Legs) == 0 {
				err = call.Unregistered
			}
			return a, err
		}
	case "trunk":
		name, number, _ := strings.Cut(name, "/")
		if t, ok := snap.Trunk(name); ok {
			a.Legs, err = h.iax2.DialTrunk(t, number, set, owner)
			return a, err
		}
	}
	return a, call.NotFound
}

// Revive makes a leg again (call.Router).
func (h *house) Revive(kind string, state []byte, owner call.Owner) (call.Leg, error) {
	if kind == "iax2" {
		return h.iax2.Revive(state, owner)
	}
	l := h.tone(media.Description{})
	if err := call.Decode(state, &l.offer); err != nil {
		return nil, err
	}
	l.owner = owner
	return l, nil
}

// call begins a call of a tone to a number.
func (h *house) call(from, number string, formats ...codec.Format) *toneLeg {
	st := media.Stream{Kind: media.Audio, Proto: "TONE", RTP: media.Pending, Direction: media.SendRecv, Formats: formats}
	l := h.tone(media.Description{Streams: []media.Stream{st}})
	l.calledIn = true
	h.calls.Incoming(l, call.Setup{
		From: call.Party{Ref: "extension:" + from, Number: from, Name: "Ada " + from}, Dialled: number, Offer: l.offer, MaxForwards: 70,
	})
	return l
}

// toneLeg is a party within the house: it says a tone, and hears.
type toneLeg struct {
	h        *house
	offer    media.Description
	calledIn bool
	flow     *media.PCM

	mu       sync.Mutex // guards what follows
	owner    call.Owner
	phase    float64
	heard    []int16
	digits   string
	alerted  int
	answered bool
	gone     *call.Cause
	answer   media.Description
}

// hertz is the tone's, toneRate that of the sound it is in.
const (
	hertz    = 440
	toneRate = 8000
)

func (h *house) tone(offer media.Description) *toneLeg {
	l := &toneLeg{h: h, offer: offer}
	l.flow = media.NewPCM(h.media, media.PCMConfig{Rate: toneRate, Source: l.say, Sink: l.hear})
	h.mu.Lock()
	h.legs = append(h.legs, l)
	h.mu.Unlock()
	return l
}

func (l *toneLeg) say(pcm []int16) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(l.phase))
		l.phase += 2 * math.Pi * hertz / toneRate
	}
	return true
}

func (l *toneLeg) hear(pcm []int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, pcm...)
}

// loud is the share of what was heard since last asked that is the tone: its frames of
// 20 ms in which the tone has most of the energy.
func (l *toneLeg) loud() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	const n = toneRate / 50
	frames, good := 0, 0
	for ; len(l.heard) >= n; l.heard = l.heard[n:] {
		frames++
		if tonal(l.heard[:n]) {
			good++
		}
	}
	if frames == 0 {
		return 0
	}
	return float64(good) / float64(frames)
}

func tonal(pcm []int16) bool {
	var re, im, all float64
	for i, v := range pcm {
		a := 2 * math.Pi * hertz * float64(i) / toneRate
		re += float64(v) * math.Cos(a)
		im += float64(v) * math.Sin(a)
		all += float64(v) * float64(v)
	}
	return all/float64(len(pcm)) > 1e6 && 2*(re*re+im*im)/float64(len(pcm)) > 0.5*all
}

func (l *toneLeg) pickUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	answer := l.offer
	answer.Streams = append([]media.Stream(nil), answer.Streams...)
	for i := range answer.Streams {
		if st := &answer.Streams[i]; st.Kind == media.Audio && len(st.Formats) > 0 {
			st.Formats = st.Formats[:1]
		}
	}
	l.owner.Post(call.Answered{Leg: l, Answer: answer})
}

func (l *toneLeg) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner.Post(call.Ended{Leg: l, Cause: call.Normal})
}

func (l *toneLeg) press(key rune) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner.Post(call.Pressed{Leg: l, Digit: media.Digit{Rune: key}})
}

func (l *toneLeg) ID() string { return fmt.Sprintf("%p", l) }
func (l *toneLeg) Own(o call.Owner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner = o
}
func (l *toneLeg) Prepare(media.Description) {}
func (l *toneLeg) Renew(media.Description)   {}
func (l *toneLeg) Alert(code int, _ *media.Description) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alerted = code
}

func (l *toneLeg) Answer(d media.Description) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered, l.answer = true, d
}

func (l *toneLeg) Hangup(c call.Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone == nil {
		l.gone = &c
	}
}

func (l *toneLeg) Offer(d media.Description) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner.Post(call.Reanswered{Leg: l, Answer: d})
}
func (l *toneLeg) Reply(media.Description, error) {}
func (l *toneLeg) Digit(d media.Digit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.digits += string(d.Rune)
}

func (l *toneLeg) Flows() []media.Flow {
	flows := make([]media.Flow, len(l.offer.Streams))
	if len(flows) > 0 {
		flows[0] = l.flow
	}
	return flows
}
func (l *toneLeg) Able() media.Description  { return l.offer }
func (l *toneLeg) Release()                 { l.flow.Route(nil) }
func (l *toneLeg) Quality() quality.Account { return quality.Account{} }
func (l *toneLeg) Info() call.Info {
	return call.Info{Kind: "tone", Party: "tone", CalledIn: l.calledIn}
}

func (l *toneLeg) State() []byte {
	b, err := call.Encode(l.offer)
	if err != nil {
		l.h.t.Error(err)
	}
	return b
}

// called is the leg of the house that was called last.
func (h *house) called() *toneLeg {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.legs) - 1; i >= 0; i-- {
		if !h.legs[i].calledIn {
			return h.legs[i]
		}
	}
	h.t.Fatal("nobody was called")
	return nil
}

// state is what the party was told.
func (l *toneLeg) state() (alerted int, answered bool, digits, codec string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.alerted, l.answered, l.digits, l.answer.Codec()
}

// over is the cause that a leg was hung up with; "" while it is not.
func (l *toneLeg) over() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone == nil {
		return ""
	}
	return l.gone.Kind
}

// lives runs a test in virtual time, with houses closed at its end.
func lives(t *testing.T, f func(t *testing.T, net *internet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		f(t, newInternet(weather{delay: 10 * time.Millisecond}))
	})
}
