package main

import (
	"encoding/json"
	"net/http"
	"slices"

	"tincan/bus"
	"tincan/phone/directory"
	"tincan/phone/event"
)

// traced is a line of the trace: a message, and how many before it were lost
// because they came faster than they were read.
type traced struct {
	event.Message
	Lost uint64 `json:"lost,omitempty"`
}

// picker chooses messages. It is used by one goroutine.
type picker func(*event.Message) bool

// picker is what a request for a trace asks for: all, a call's or an extension's.
func (s *server) picker(r *http.Request) (picker, error) {
	q := r.URL.Query()
	if id := q.Get("call"); id != "" {
		if _, ok := s.exchange.Call(id); !ok {
			return nil, noCall(id)
		}
		return s.ofCall(id), nil
	}
	if number := q.Get("extension"); number != "" {
		if _, ok := s.directory.Snapshot().Extension(number); !ok {
			return nil, noExtension(number)
		}
		return s.ofExtension(number), nil
	}
	return func(*event.Message) bool { return true }, nil
}

// ofCall picks the messages of all legs that a call has or had.
func (s *server) ofCall(id string) picker {
	had := map[string]bool{}
	note := func() {
		if c, ok := s.exchange.Call(id); ok {
			for _, leg := range c.Snapshot().Legs {
				had[leg.CallID] = leg.CallID != ""
			}
		}
	}
	note()
	return func(m *event.Message) bool {
		if !had[m.SIPCallID] {
			note()
		}
		return had[m.SIPCallID]
	}
}

// ofExtension picks what its devices say and hear, and what is from or to it.
func (s *server) ofExtension(number string) picker {
	return func(m *event.Message) bool {
		here := func(b directory.Binding) bool { return b.Received == m.Peer }
		return slices.ContainsFunc(s.bindings.For(number), here) ||
			headerUser(m.Text, "From", "f") == number || headerUser(m.Text, "To", "t") == number
	}
}

// traceStream sends SIP messages as lines of JSON until the watcher goes. Once the
// headers are out, nothing is missed.
func (s *server) traceStream(w http.ResponseWriter, r *http.Request) {
	pick, err := s.picker(r)
	if err != nil {
		refuse(w, err)
		return
	}
	messages := make(chan event.Message, bus.QueueSize)
	sub := s.bus.Subscribe(func(e any) {
		if m, ok := e.(event.Message); ok && pick(&m) {
			select {
			case messages <- m:
			case <-r.Context().Done():
			}
		}
	})
	defer sub.Close()
	s.watch(1)
	defer s.watch(-1)
	w.Header().Set("Content-Type", "application/x-ndjson")
	_ = http.NewResponseController(w).Flush()
	stream(w, r, messages, sub.Dropped)
}

func stream(w http.ResponseWriter, r *http.Request, messages <-chan event.Message, dropped func() uint64) {
	enc, flush := json.NewEncoder(w), http.NewResponseController(w)
	var told uint64
	for {
		select {
		case <-r.Context().Done():
			return
		case m := <-messages:
			lost := dropped()
			if err := enc.Encode(traced{m, lost - told}); err != nil {
				return
			}
			told = lost
			_ = flush.Flush()
		}
	}
}

// watch counts who watches, so that messages are published only for them.
func (s *server) watch(delta int) {
	s.watchers.Lock()
	defer s.watchers.Unlock()
	s.watching += delta
	s.sip.Watch(s.watching > 0)
	s.iax2.Watch(s.watching > 0)
}
