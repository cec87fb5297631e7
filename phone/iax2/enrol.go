package iax2

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/iax2/frame"
)

// enrolment is a registration of ours at a trunk.
//
//	REGREQ ─┬─ CALLTOKEN: again with it
//	        ├─ REGAUTH: again with the proof
//	        ├─ REGACK: it stands for so long
//	        └─ REGREJ, silence: later
type enrolment struct {
	session *session
	link    *link
	trunk   *directory.Trunk
	account account
	expires time.Duration // 0: goodbye
	said    frame.Elements
	proved  bool
	tokens  int
}

// enrol says who we are and where, or goodbye.
func (k *link) enrol(t *directory.Trunk, expires time.Duration) {
	host, port, err := directory.HostPort(t.Address)
	if err != nil {
		k.failed(expires, err.Error())
		return
	}
	k.s.reach(host, port, func(at []netip.AddrPort, err error) {
		for _, a := range at {
			var p path
			if p, err = k.s.pathTo(a, ""); err == nil {
				k.enrolAt(t, p, expires)
				return
			}
		}
		if err != nil {
			k.failed(expires, err.Error())
			return
		}
		k.failed(expires, "the address "+host+" is not known")
	})
}

func (k *link) enrolAt(t *directory.Trunk, p path, expires time.Duration) {
	x := k.s.newSession(p, 0, false)
	e := &enrolment{session: x, link: k, trunk: t, account: trunkAccount(k.s, t), expires: expires}
	x.party = e
	if !k.s.sessions.add(x) {
		k.failed(expires, "too many calls")
		return
	}
	k.mu.Lock()
	k.target = p.peer
	k.mu.Unlock()
	x.mu.Lock()
	defer x.unlock()
	e.said = frame.Elements{Username: t.Username, CallToken: frame.Some([]byte(nil)), DeviceType: deviceType}
	if expires > 0 {
		e.said.Refresh = frame.Some(uint16(min(expires/time.Second, 0xffff)))
	}
	e.say()
}

// deviceType makes the shortest registration long enough: a registrar like this one
// answers with no more bytes than it was sent, and its token needs some.
const deviceType = "tincan"

func (e *enrolment) say() {
	c := frame.RegReq
	if e.expires == 0 {
		c = frame.RegRel
	}
	e.session.command(c, &e.said)
}

func (e *enrolment) lost(why call.Cause) {
	e.session.after(func() { e.link.failed(e.expires, "the other side does not answer") })
}

// mostTokens bounds how often a peer may ask for a token.
const mostTokens = 3

func (e *enrolment) take(f *frame.Full) {
	x := e.session
	if f.Type != frame.IAX {
		return
	}
	got, err := frame.ParseElements(f.Payload)
	if err != nil {
		x.s.counts.Malformed.Add(1)
		return
	}
	switch f.Command() {
	case frame.CallToken:
		if e.tokens++; e.tokens > mostTokens || !got.CallToken.Present || e.proved {
			return
		}
		e.said.CallToken = frame.Some(slices.Clone(got.CallToken.Value))
		x.afresh()
		e.say()
	case frame.RegAuth:
		answer, ok := x.s.answerTo(&e.account, &got)
		if !ok || e.proved {
			x.bye(f.Time)
			x.after(func() { e.link.refused(e.expires, "the other side asks for a proof that is not in the settings") })
			return
		}
		e.proved = true
		e.said.CallToken = frame.Maybe[[]byte]{}
		e.said.MD5Result, e.said.RSAResult = answer.MD5Result, answer.RSAResult
		e.say()
	case frame.RegAck:
		lag := x.rtt
		x.bye(f.Time)
		x.after(func() { e.link.granted(lag, e.expires, &got) })
	case frame.RegRej, frame.Reject:
		why := got.Cause
		if why == "" {
			why = "the other side refuses the registration"
		}
		x.bye(f.Time)
		x.after(func() { e.link.refused(e.expires, clip(why)) })
	}
}

// granted notes that the registration stands.
func (k *link) granted(lag time.Duration, expires time.Duration, e *frame.Elements) {
	lasts := time.Duration(e.Refresh.Or(refreshUsual)) * time.Second
	k.mu.Lock()
	if expires > 0 {
		lasts = max(lasts, refreshLeast*time.Second/2)
		k.lag = lag
		k.tries, k.enrolling, k.next = 0, false, time.Now().Add(lasts*4/5)
	}
	k.mu.Unlock()
	if expires > 0 {
		k.set(Registered, "")
	}
}

// failed notes that nothing came of a registration, and when it is tried again.
func (k *link) failed(expires time.Duration, why string) {
	if expires == 0 {
		return
	}
	k.mu.Lock()
	wait := min(retryLeast<<min(k.tries, 10), retryMost)
	k.tries++
	k.enrolling, k.next = false, time.Now().Add(wait/2+rand.N(wait))
	k.mu.Unlock()
	k.set(Waiting, why)
}

func (k *link) refused(expires time.Duration, why string) {
	if expires == 0 {
		return
	}
	k.mu.Lock()
	k.enrolling, k.next = false, time.Now().Add(refusedAgain)
	k.mu.Unlock()
	k.set(Refused, why)
}
