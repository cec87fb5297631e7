package media

import (
	"slices"
	"sync"

	"tincan/phone/codec"
)

// Echo is an application that sends back what it gets, as packets: whatever
// the codec, nothing is decoded. They go back without their header, so that
// they never carry the phone's own SSRC (RFC 3550 8.2). Telephone events are
// not echoed, so they reach Events.Digit. Its methods may be called by any
// goroutine.
type Echo struct {
	mu    sync.Mutex // guards what follows
	route Sink
	terms Terms
}

// NewEcho makes an echo.
func NewEcho() *Echo { return &Echo{} }

// adopt makes the terms those of whoever talks to the echo.
func (e *Echo) adopt(other Terms) {
	e.mu.Lock()
	defer e.mu.Unlock()
	sound := slices.DeleteFunc(slices.Clone(other.Sends), func(f codec.Format) bool {
		return f.Name == codec.TelephoneEvent
	})
	e.terms = Terms{Kind: other.Kind, Sends: sound, Accepts: sound}
}

// Terms are those of whoever talks to the echo.
func (e *Echo) Terms() Terms {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.terms
}

// Route says where the echo goes.
func (e *Echo) Route(to Sink) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.route = to
}

// Deliver sends a packet back.
func (e *Echo) Deliver(p *Packet) {
	if p.Type != Media {
		return
	}
	e.mu.Lock()
	to := e.route
	e.mu.Unlock()
	if to == nil {
		return
	}
	p.datagram = nil
	to.Deliver(p)
}
