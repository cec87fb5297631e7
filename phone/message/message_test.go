package message

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tincan/bus"
	"tincan/store"
	"tincan/store/storetest"
)

// house has devices that take messages or not.
type house struct {
	mu      sync.Mutex
	devices map[string][]string // by extension
	says    map[string]Answer   // by device
	waits   map[string]chan struct{}
	heard   []string
	told    chan struct{}
}

func newHouse() *house {
	return &house{devices: map[string][]string{}, says: map[string]Answer{}, waits: map[string]chan struct{}{}, told: make(chan struct{}, 1000)}
}

func (h *house) Devices(extension string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.devices[extension]
}

func (h *house) Deliver(m *Message, device string, done func(Answer)) {
	h.mu.Lock()
	says, wait := h.says[device], h.waits[device]
	h.mu.Unlock()
	go func() {
		if wait != nil {
			<-wait
		}
		h.mu.Lock()
		if says == Took {
			h.heard = append(h.heard, device+":"+string(m.Body))
		}
		h.mu.Unlock()
		done(says)
		h.told <- struct{}{}
	}()
}

func (h *house) has(extension string, devices ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.devices[extension] = devices
}

func (h *house) all() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.heard, " ")
}

func open(t *testing.T, where string, h *house) (*Desk, func()) {
	t.Helper()
	s, err := store.Open(t.Context(), where, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	d, err := Open(t.Context(), Config{
		Store: s, Bus: &bus.Bus{}, Logger: slog.New(slog.DiscardHandler), Carriers: []Carrier{h}, Trunks: wire{h},
		Route: func(_, number string) (string, bool) {
			if strings.HasPrefix(number, "9") {
				return "trunk:out/" + number[1:], true
			}
			return "extension:" + number, number != "404"
		},
		NewID: func() string { n++; return fmt.Sprint("m", n) },
	})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	stop := func() {
		if !closed {
			closed = true
			_ = d.Close()
			_ = s.Close(context.Background())
		}
	}
	t.Cleanup(stop)
	return d, stop
}

type wire struct{ h *house }

func (w wire) Forward(m *Message, trunk, number string, done func(Result)) {
	w.h.heard = append(w.h.heard, trunk+"/"+number+":"+string(m.Body))
	done(Result{Verdict: Taken})
}

func send(t *testing.T, d *Desk, to, text string) Verdict {
	t.Helper()
	return give(t, d, Message{From: "extension:101", Number: "101", To: to, Type: "text/plain", Body: []byte(text)})
}

func give(t *testing.T, d *Desk, m Message) Verdict {
	t.Helper()
	got := make(chan Result, 2)
	d.Send(m, func(r Result) { got <- r })
	select {
	case r := <-got:
		return r.Verdict
	case <-time.After(20 * time.Second):
		t.Fatal("no answer")
		return 0
	}
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never done")
		}
	}
}

func TestSend(t *testing.T) {
	h := newHouse()
	d, _ := open(t, t.TempDir(), h)
	h.has("102", "desk", "pocket")
	h.says["desk"] = NotNow
	if got := send(t, d, "102", "hello"); got != Taken || h.all() != "pocket:hello" {
		t.Errorf("%v %q", got, h.all())
	}
	if got := send(t, d, "404", "x"); got != Unknown {
		t.Error(got)
	}
	if got := send(t, d, "9123", "out"); got != Taken || !strings.HasSuffix(h.all(), "out/123:out") {
		t.Errorf("%v %q", got, h.all())
	}
	if got := send(t, d, "102", strings.Repeat("x", MaxBody+1)); got != TooLarge {
		t.Error(got)
	}
	h.says["pocket"], h.says["desk"] = Cannot, Cannot
	if got := send(t, d, "102", "x"); got != Refused {
		t.Error(got)
	}
	if got := give(t, d, Message{To: "103", Fleeting: true}); got != Absent {
		t.Error(got)
	}
	if d.Waiting() != 0 {
		t.Error("something waits")
	}
}

func TestWaitingIsDeliveredInOrderOnce(t *testing.T) { storetest.Each(t, testWaiting) }

func testWaiting(t *testing.T, where string) {
	h := newHouse()
	d, stop := open(t, where, h)
	var want []string
	for i := range 5 {
		text := fmt.Sprintf("%d-Füße-你好", i)
		want = append(want, "desk:"+text)
		m := Message{From: "extension:101", Number: "101", Name: "Ada", To: "102", Type: "text/plain;charset=utf-8", Body: []byte(text), Headers: map[string]string{"Subject": "s"}}
		if got := give(t, d, m); got != Kept {
			t.Fatal(got)
		}
	}
	stop() // and another process
	s, err := store.Open(t.Context(), where, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := List(t.Context(), s, 1)
	_ = s.Close(context.Background())
	if err != nil || len(list) != 1 || list[0].Name != "Ada" || list[0].Headers["Subject"] != "s" || list[0].Sent.IsZero() || list[0].To != "102" {
		t.Errorf("%+v %v", list, err)
	}
	d, _ = open(t, where, h)
	if d.Waiting() != 5 {
		t.Errorf("%d wait", d.Waiting())
	}
	h.has("102", "desk")
	d.Registered("102")
	d.Registered("102")
	if got := send(t, d, "102", "last"); got != Kept && got != Taken {
		t.Error(got)
	}
	want = append(want, "desk:last")
	eventually(t, func() bool { return d.Waiting() == 0 })
	eventually(t, func() bool { return len(strings.Fields(h.all())) == len(want) })
	if diff := cmp.Diff(strings.Join(want, " "), h.all()); diff != "" {
		t.Error(diff)
	}
	d.Registered("102")
	if got := send(t, d, "102", "now"); got != Taken || h.all() != strings.Join(want, " ")+" desk:now" {
		t.Errorf("%v %q", got, h.all())
	}
	eventually(t, func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.boxes)+len(d.going) == 0 })
}

func TestBounds(t *testing.T) {
	h := newHouse()
	d, _ := open(t, t.TempDir(), h)
	for range MaxWaiting {
		if got := send(t, d, "102", "x"); got != Kept {
			t.Fatal(got)
		}
	}
	if got := send(t, d, "102", "x"); got != Full {
		t.Error(got)
	}
	if got := send(t, d, "103", "x"); got != Kept {
		t.Error(got)
	}
	d.Retain(func(extension string) bool { return extension == "103" })
	if d.Waiting() != 1 {
		t.Errorf("%d wait", d.Waiting())
	}
	m := Message{To: "104", Expires: time.Now().Add(-time.Second)}
	give(t, d, m)
	eventually(t, func() bool { d.Expire(); return d.Waiting() == 1 })
}

// A device that answers after the sender was told that its message waits gets it
// no second time.
func TestLateAnswer(t *testing.T) {
	h := newHouse()
	d, _ := open(t, t.TempDir(), h)
	h.has("102", "desk")
	h.waits["desk"] = make(chan struct{})
	got := make(chan Result, 1)
	d.mu.Lock()
	tr := d.trial(&Message{To: "102", Body: []byte("x")}, d.box("102"), func(r Result) { got <- r })
	d.mu.Unlock()
	tr.begin()
	tr.late()
	if r := <-got; r.Verdict != Kept || d.Waiting() != 1 {
		t.Errorf("%v, %d wait", r, d.Waiting())
	}
	d.Registered("102") // while it is asked, nothing is offered again
	close(h.waits["desk"])
	eventually(t, func() bool { return d.Waiting() == 0 })
	eventually(t, func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.boxes) == 0 })
	if h.all() != "desk:x" {
		t.Error(h.all())
	}
}

// What was kept when the process ended is delivered to who is registered still.
func TestResume(t *testing.T) {
	dir, h := t.TempDir(), newHouse()
	d, stop := open(t, dir, h)
	give(t, d, Message{To: "102", Number: "101", Name: "Ada", Private: true, Body: []byte("x")})
	stop()
	h.has("102", "desk")
	d, _ = open(t, dir, h)
	list, err := List(t.Context(), d.cfg.Store, 9)
	if err != nil || len(list) != 1 || list[0].Number != "anonymous" || list[0].Name != "Anonymous" {
		t.Errorf("kept %+v %v", list, err)
	}
	d.Resume()
	eventually(t, func() bool { return d.Waiting() == 0 })
}

// What no device can take does not stand in the way of the others.
func TestImpossibleIsDropped(t *testing.T) {
	h := newHouse()
	d, _ := open(t, t.TempDir(), h)
	send(t, d, "102", "x")
	h.says["desk"] = Cannot
	h.has("102", "desk")
	d.Registered("102")
	eventually(t, func() bool { return d.Waiting() == 0 })
}
