// Package app has what answers a call itself. An application is a leg like any
// other: it is offered the caller's media, answers, and its flow is bridged to the
// caller's.
//
//	app:echo               sends back what it hears
//	app:delayed-echo/MS    the same, later
//	app:tone/WHICH         ring, busy, ... of the country, or a cadence as 425/500,0/500
//	app:milliwatt          1004 Hz at 0 dBm0, to measure lines with
//	app:play/NAME&NAME     recordings, then the end
//	app:music              music on hold
//	app:record/NAME        records the caller; # plays it back
//	conference:NAME        a room (package conference)
//
// leg.go is the leg, the same for all; a program is what one application does,
// each in a file of its own. There are no goroutines here but those of players
// and recorders (package deck).
package app

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"tincan/bus"
	"tincan/phone/app/conference"
	"tincan/phone/call"
	"tincan/phone/codec"
	"tincan/phone/event"
	"tincan/phone/media"
	"tincan/phone/media/file"
	"tincan/phone/media/prompt"
)

// Config is what applications need. Of what is nil or empty, the applications
// that need it refuse calls.
type Config struct {
	Media   *media.Engine
	Rooms   *conference.Rooms
	Prompts *prompt.Library
	// Language is that of prompts; empty: en. Country is that of tones; empty: us.
	Language, Country string
	// Music gives what is heard on hold.
	Music func() (media.Source, bool)
	// Recordings is the folder that calls are recorded in; it is made.
	Recordings string
	// Quiet makes what cannot be played silence instead of a tone.
	Quiet  bool
	Bus    *bus.Bus // may be nil
	Logger *slog.Logger
}

// Apps are the applications. Safe for any goroutine.
type Apps struct {
	config Config
	create func(path string, rate, channels int) (file.Writer, error) // of recordings
}

// New makes the applications.
func New(c Config) *Apps {
	if c.Language == "" {
		c.Language = prompt.Fallback
	}
	if c.Country == "" {
		c.Country = "us"
	}
	return &Apps{c, file.Create}
}

// program is one application at work for one caller. Its methods do not block and
// may be called by any goroutine.
type program interface {
	flow() media.Flow
	digit(key byte)
	close()
}

// kind is one application.
type kind struct {
	codecs func() []string // that it can take; nil: any
	start  func(*Apps, *leg) (program, error)
}

func (k kind) able() []string {
	if k.codecs == nil {
		return nil
	}
	return k.codecs()
}

// apps are the applications by name.
func apps() map[string]kind {
	return map[string]kind{
		"delayed-echo": {codec.Made, startDelayedEcho},
		"echo":         {nil, startEcho},
		"milliwatt":    {codec.Made, startMilliwatt},
		"music":        {codec.Made, startMusic},
		"play":         {codec.Made, startPlay},
		"record":       {codec.Made, startRecord},
		"tone":         {codec.Made, startTone},
	}
}

// Names are the applications by name, for destinations of kind app.
func Names() []string { return slices.Sorted(maps.Keys(apps())) }

// kinds finds an application by kind and name of a destination.
func kinds(of, name string) (kind, bool) {
	if of == "conference" {
		return kind{codec.Made, startConference}, true
	}
	k, ok := apps()[name]
	return k, ok
}

// Dial begins an application for a destination, of kind app or conference: it
// answers the offer with the caller's first codec that it takes.
func (a *Apps) Dial(of, name, rest string, set call.Setup, owner call.Owner) (call.Leg, error) {
	k, ok := kinds(of, name)
	if !ok {
		return nil, call.NotFound.Why("there is no application " + name)
	}
	offer, err := media.OfferFrom(set.Offer, set.From.Codecs, k.able())
	if err != nil {
		return nil, err
	}
	var id [8]byte
	_, _ = rand.Read(id[:])
	l := &leg{state: state{ID: hex.EncodeToString(id[:]), Kind: of, Name: name, Rest: rest, Call: set.CallID, Offer: first(offer)}, owner: owner}
	if err := l.open(a, k); err != nil {
		return nil, err
	}
	owner.Post(call.Answered{Leg: l, Answer: l.state.Offer})
	return l, nil
}

// Revive goes on with an application after a restart: from its beginning.
func (a *Apps) Revive(saved []byte, owner call.Owner) (call.Leg, error) {
	l := &leg{owner: owner}
	if err := call.Decode(saved, &l.state); err != nil {
		return nil, fmt.Errorf("application's state: %w", err)
	}
	k, ok := kinds(l.state.Kind, l.state.Name)
	if !ok {
		return nil, fmt.Errorf("there is no application %s", l.state.Name)
	}
	return l, l.open(a, k)
}

// failed says that something could not be played or recorded.
func (a *Apps) failed(l *leg, err error) {
	a.config.Logger.Warn("an application cannot play or record", "call", l.state.Call, "app", l.party(), "error", err)
	a.tell(event.Sound{Call: l.state.Call, Step: "failed", Detail: err.Error()})
}

func (a *Apps) tell(e event.Sound) {
	if a.config.Bus != nil && a.config.Bus.Listened() {
		e.Time = time.Now()
		a.config.Bus.Publish(e)
	}
}
