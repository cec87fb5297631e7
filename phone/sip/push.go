package sip

import (
	"slices"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/sip/transport"
)

// A phone that sleeps is woken before it is called (RFC 8599):
//
//	call ──> pusher ──> its maker's service ~~> phone ── REGISTER ──> INVITE
//
// What a phone says of its push service stays in its registration; nobody else is
// told.

// PushTarget is what a phone's Contact says of its push service.
type PushTarget struct {
	Provider string // pn-provider
	ID       string // pn-prid
	Param    string // pn-param; may be empty
}

// Pusher wakes phones. Its methods do not block and may be called from any
// goroutine.
type Pusher interface {
	// Providers are those that it can wake phones by, as pn-provider names them.
	Providers() []string
	// Wake asks that a phone be woken; there is no answer but its registration.
	Wake(extension string, t PushTarget)
}

// wakeTime is how long a call waits for a phone that is being woken. After it the
// phone is called where it was.
const wakeTime = 20 * time.Second

// pushTarget reads the parameters of a Contact.
func pushTarget(u *wire.Uri) (t PushTarget, ok bool) {
	t.Provider, _ = u.UriParams.Get("pn-provider")
	t.ID, _ = u.UriParams.Get("pn-prid")
	t.Param, _ = u.UriParams.Get("pn-param")
	return t, t.Provider != "" && t.ID != ""
}

// pushes reports whether a Contact asks for a push service, and whether we have it
// (else 555, RFC 8599 8).
func (s *Server) pushes(u *wire.Uri) (asks, have bool) {
	provider, asks := u.UriParams.Get("pn-provider")
	return asks, asks && s.cfg.Push != nil && slices.Contains(s.cfg.Push.Providers(), provider)
}

// showPush says in the 200 that a phone will be woken (RFC 8599 4.1.2).
func (s *Server) showPush(res *wire.Response, put []directory.Binding) {
	for i := range put {
		var u wire.Uri
		if wire.ParseUri(put[i].Contact, &u) != nil {
			continue
		}
		if _, have := s.pushes(&u); have {
			provider, _ := u.UriParams.Get("pn-provider")
			res.AppendHeader(wire.NewHeader("Feature-Caps", "*;+sip.pns=\""+provider+"\""))
			return
		}
	}
}

// wake calls done with a device's registration: at once if the phone need not be
// woken, else when it has registered anew.
func (s *Server) wake(b directory.Binding, done func(directory.Binding)) {
	var u wire.Uri
	t, ok := PushTarget{}, false
	if s.cfg.Push != nil && wire.ParseUri(b.Contact, &u) == nil {
		t, ok = pushTarget(&u)
	}
	if _, stands := s.standing(&b); ok && stands && transport.Protocol(b.Transport).Reliable() {
		ok = false // its connection shows that it is awake
	}
	if !ok {
		done(b)
		return
	}
	w := &waking{done: done, since: time.Now()}
	key := b.Extension + "|" + b.Key()
	w.timer = time.AfterFunc(wakeTime, func() {
		if s.forgetWaking(key, w) {
			done(b)
		}
	})
	s.mu.Lock()
	s.waking[key] = append(s.waking[key], w)
	s.mu.Unlock()
	s.cfg.Push.Wake(b.Extension, t)
}

// waking is a call that waits for a phone.
type waking struct {
	done  func(directory.Binding)
	since time.Time
	timer *time.Timer
}

func (s *Server) forgetWaking(key string, w *waking) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waking[key], w)
	if i < 0 {
		return false
	}
	if s.waking[key] = slices.Delete(s.waking[key], i, i+1); len(s.waking[key]) == 0 {
		delete(s.waking, key)
	}
	return true
}

// awake lets the calls go on that waited for a device. A registration from before
// a call began to wait says nothing of whether the phone is awake.
func (s *Server) awake(b directory.Binding) {
	key := b.Extension + "|" + b.Key()
	s.mu.Lock()
	waiting := slices.Clone(s.waking[key])
	s.mu.Unlock()
	for _, w := range waiting {
		if w.since.Before(b.Updated) && s.forgetWaking(key, w) {
			w.timer.Stop()
			w.done(b)
		}
	}
}
