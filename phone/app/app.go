// Package app has what answers a call itself. An application is a leg like any
// other: it is offered the caller's media, answers, and its flows are bridged
// to the caller's.
//
//	app:echo  sends back what it hears
//	app:tone  a continuous tone, to test a line
//
// Each further application gets a folder of its own below.
package app

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	"tincan/phone/call"
	"tincan/phone/media"
)

// leg is an application's side of a call (call.Leg). It answers at once.
type leg struct {
	id, name string
	offer    media.Description

	mu    sync.Mutex // guards what follows
	owner call.Owner
	flows []media.Flow
	close []func()
}

var _ call.Leg = (*leg)(nil)

// kind is one application.
type kind struct {
	codecs []string // that it can take; nil: any
	flow   func(*media.Engine, *media.Stream) (flow media.Flow, closeFlow func())
}

func kinds(name string) (kind, bool) {
	switch name {
	case "echo":
		return echo, true
	case "tone":
		return tone, true
	}
	return kind{}, false
}

// Dial begins an application: it answers the offer with the caller's first
// codec that it takes.
func Dial(e *media.Engine, name string, set call.Setup, owner call.Owner) (call.Leg, error) {
	k, ok := kinds(name)
	if !ok {
		return nil, call.NotFound.Why("there is no application " + name)
	}
	offer, err := media.OfferFrom(set.Offer, set.From.Codecs, k.codecs)
	if err != nil {
		return nil, err
	}
	var id [8]byte
	_, _ = rand.Read(id[:])
	l := &leg{id: hex.EncodeToString(id[:]), name: name, owner: owner, offer: first(offer)}
	l.open(e, k)
	owner.Post(call.Answered{Leg: l, Answer: l.offer})
	return l, nil
}

// first keeps one codec a line, beside telephone events, and sound alone.
func first(d media.Description) media.Description {
	for i := range d.Streams {
		st := &d.Streams[i]
		if st.Kind != media.Audio || st.Refused() {
			*st = media.Stream{Kind: st.Kind, Name: st.Name, Proto: st.Proto, Raw: st.Raw, Formats: st.Formats}
			continue
		}
		kept := st.Voice()[:1]
		for _, f := range st.Formats {
			if f.Name == "telephone-event" {
				kept = append(kept, f)
			}
		}
		st.Formats = kept
	}
	return d
}

func (l *leg) open(e *media.Engine, k kind) {
	l.flows = make([]media.Flow, len(l.offer.Streams))
	for i := range l.offer.Streams {
		if st := &l.offer.Streams[i]; !st.Refused() {
			flow, end := k.flow(e, st)
			l.flows[i], l.close = flow, append(l.close, end)
		}
	}
}

// state is what a restart needs.
type state struct {
	ID    string            `json:"id"`
	Name  string            `json:"name"`
	Offer media.Description `json:"offer"`
}

// Revive goes on with an application after a restart.
func Revive(e *media.Engine, saved []byte, owner call.Owner) (call.Leg, error) {
	var s state
	if err := call.Decode(saved, &s); err != nil {
		return nil, fmt.Errorf("application's state: %w", err)
	}
	k, ok := kinds(s.Name)
	if !ok {
		return nil, fmt.Errorf("there is no application %s", s.Name)
	}
	l := &leg{id: s.ID, name: s.Name, owner: owner, offer: s.Offer}
	l.open(e, k)
	return l, nil
}

func (l *leg) ID() string { return l.id }

func (l *leg) Own(o call.Owner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner = o
}

// Able is what it was offered and takes (call.Leg).
func (l *leg) Able() media.Description { return l.offer }

func (l *leg) Alert(int, *media.Description)  {}
func (l *leg) Answer(media.Description)       {}
func (l *leg) Prepare(media.Description)      {}
func (l *leg) Hangup(call.Cause)              {}
func (l *leg) Reply(media.Description, error) {}
func (l *leg) Digit(media.Digit)              {}

// Offer takes any change: an application follows the other side.
func (l *leg) Offer(d media.Description) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owner != nil {
		l.owner.Post(call.Reanswered{Leg: l, Answer: l.within(d)})
	}
}

// within refuses the lines of an offer that the application has no flow for.
func (l *leg) within(d media.Description) media.Description {
	d.Streams = slices.Clone(d.Streams)
	for i := range d.Streams {
		st := &d.Streams[i]
		if st.Kind != media.Audio || i >= len(l.flows) || l.flows[i] == nil {
			*st = media.Stream{Kind: st.Kind, Name: st.Name, Proto: st.Proto, Raw: st.Raw, Formats: st.Formats}
		}
	}
	return d
}

func (l *leg) Flows() []media.Flow {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]media.Flow(nil), l.flows...)
}

func (l *leg) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, end := range l.close {
		end()
	}
	l.close, l.flows = nil, nil
}

func (l *leg) Info() call.Info {
	return call.Info{Kind: "app", Party: "app:" + l.name, Device: l.name}
}

func (l *leg) State() []byte {
	b, err := call.Encode(state{l.id, l.name, l.offer})
	if err != nil {
		return nil // cannot be: plain data
	}
	return b
}
