package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"net"
	"time"

	"tincan/phone/call"
	"tincan/phone/dialplan"
	"tincan/phone/directory"
)

// router is where the dialplan, SIP and the applications meet (call.Router).
type router struct{ s *server }

// Route finds the destination of a number.
func (r *router) Route(from call.Party, number string) (string, bool) {
	if from.Ref == call.Stranger {
		d, ok := r.s.plan.Public(number)
		return d.String(), ok
	}
	d, ok := r.s.plan.Find(from.Ref, number)
	return d.String(), ok
}

// Dial calls a destination.
func (r *router) Dial(destination string, set call.Setup, owner call.Owner) (a call.Attempt, err error) {
	d, err := dialplan.ParseDestination(destination)
	if err != nil {
		return a, err
	}
	snap := r.s.directory.Snapshot()
	switch d.Kind {
	case "extension":
		ext, ok := snap.Extension(d.Name)
		if !ok {
			return a, call.NotFound.Why("there is no extension " + d.Name)
		}
		a.Ring = time.Duration(ext.RingSeconds) * time.Second
		a.Legs, err = r.dialExtension(ext, set, owner)
		return a, err
	case "trunk":
		trunk, ok := snap.Trunk(d.Name)
		if !ok {
			return a, call.NotFound.Why("there is no trunk " + d.Name)
		}
		number := d.Rest
		if number == "" {
			number = set.Dialled
		}
		if trunk.IAX2() {
			a.Legs, err = r.s.iax2.DialTrunk(trunk, number, set, owner)
		} else {
			a.Legs, err = r.s.sip.DialTrunk(trunk, number, set, owner)
		}
		return a, err
	case "app", "conference":
		leg, err := r.s.apps.Dial(d.Kind, d.Name, d.Rest, set, owner)
		if err == nil {
			a.Legs = []call.Leg{leg}
		}
		return a, err
	}
	return a, call.NotFound.Why(fmt.Sprintf("%s destinations are not here yet", d.Kind))
}

// dialExtension calls all devices of an extension, whatever they speak.
func (r *router) dialExtension(ext *directory.Extension, set call.Setup, owner call.Owner) ([]call.Leg, error) {
	legs, err := r.s.sip.DialExtension(ext, set, owner)
	more, other := r.s.iax2.DialExtension(ext, set, owner)
	if legs = append(legs, more...); len(legs) > 0 {
		return legs, nil
	}
	return nil, cmp.Or(other, err)
}

// Revive makes a leg again after a restart.
func (r *router) Revive(kind string, state []byte, owner call.Owner) (call.Leg, error) {
	switch kind {
	case "sip":
		return r.s.sip.Revive(state, owner)
	case "iax2":
		return r.s.iax2.Revive(state, owner)
	case "app":
		return r.s.apps.Revive(state, owner)
	}
	return nil, fmt.Errorf("unknown kind of leg %q", kind)
}

// ordered is Crockford's base 32, whose characters sort as their values do.
var ordered = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newID names a call: sortable by time, easy to read aloud. After the second
// come 20 bits of its microsecond and 20 random ones.
func newID() string {
	now := time.Now().UTC()
	var b [5]byte
	_, _ = rand.Read(b[2:])
	micro := uint32(now.Nanosecond() / 1000)
	b[0], b[1], b[2] = byte(micro>>12), byte(micro>>4), byte(micro<<4)|b[2]&0xf
	return now.Format("20060102-150405-") + ordered.EncodeToString(b[:])
}

// resolveEvery is how often names in trunks' match lists are looked up again.
const resolveEvery = 5 * time.Minute

// keepResolving looks up trunks' names now, every resolveEvery, and after each
// change of objects.
func (s *server) keepResolving() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.onClose(func() error { cancel(); <-done; return nil })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := s.directory.Resolve(ctx, net.DefaultResolver); err != nil && ctx.Err() == nil {
				s.log.Warn("a trunk's match cannot be looked up; calls from there are strangers' until it can", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-s.resolveNow:
			case <-time.After(resolveEvery):
			}
		}
	}()
}
