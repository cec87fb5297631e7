package iax2

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/iax2/frame"
	"tincan/phone/media"
)

// lookupTime bounds a DNS look-up.
const lookupTime = 5 * time.Second

func timeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// DialExtension calls the devices of an extension that speak IAX2; none is no error.
func (s *Server) DialExtension(ext *directory.Extension, set call.Setup, owner call.Owner) ([]call.Leg, error) {
	if !ext.IAX2 {
		return nil, nil
	}
	var legs []call.Leg
	now := time.Now()
	for _, b := range s.cfg.Bindings.For(ext.Number) {
		if b.Transport != Transport || !b.Expires.After(now) || set.Device != "" {
			continue
		}
		l, err := s.newCall(s.extensionAccount(ext), set, ext.Codecs)
		if err != nil {
			return legs, err
		}
		l.number, l.name = ext.Number, ext.Name
		p, err := s.pathTo(b.Received, b.Local)
		if err != nil {
			return legs, err
		}
		l.owner, l.owned = owner, true
		if err := l.ring(p, "", set); err != nil {
			return legs, err
		}
		legs = append(legs, l)
	}
	return legs, nil
}

// DialTrunk calls a number by a trunk: at its address, or where it registered.
func (s *Server) DialTrunk(t *directory.Trunk, number string, set call.Setup, owner call.Owner) ([]call.Leg, error) {
	l, err := s.newCall(trunkAccount(s, t), set, t.Codecs)
	if err != nil {
		return nil, err
	}
	l.number = number
	k := s.links.get(t)
	if !k.enter(false) {
		return nil, call.Cause{Kind: call.Failed.Kind, Code: 503, Text: "trunk " + t.Name + " has as many calls as it may"}
	}
	l.seat, l.owner, l.owned = k, owner, true
	if t.Accept == "register" {
		return l.dialRegistered(t, number, set)
	}
	host, port, err := directory.HostPort(t.Address)
	if err != nil {
		l.giveBack()
		return nil, fmt.Errorf("trunk %s: %w", t.Name, err)
	}
	s.reach(host, port, func(at []netip.AddrPort, err error) { l.reached(at, err, number, set) })
	return []call.Leg{l}, nil
}

func (l *leg) dialRegistered(t *directory.Trunk, number string, set call.Setup) ([]call.Leg, error) {
	s := l.x.s
	b, ok := s.latest(t.Ref())
	if !ok {
		l.giveBack()
		return nil, call.Unregistered.Why("trunk " + t.Name + " has not registered here")
	}
	p, err := s.pathTo(b.Received, b.Local)
	if err == nil {
		err = l.ring(p, number, set)
	}
	if err != nil {
		l.giveBack()
		return nil, err
	}
	return []call.Leg{l}, nil
}

// giveBack ends a leg that never got out.
func (l *leg) giveBack() {
	l.x.mu.Lock()
	defer l.x.unlock()
	l.leaves()
	l.x.over = true
}

// latest gives the registration that a trunk is called by.
func (s *Server) latest(key string) (last directory.Binding, ok bool) {
	for _, b := range s.cfg.Bindings.For(key) {
		if b.Transport == Transport && (!ok || b.Updated.After(last.Updated)) {
			last, ok = b, true
		}
	}
	return last, ok
}

// reach finds where a host is: at once if it is an address.
func (s *Server) reach(host string, port uint16, done func([]netip.AddrPort, error)) {
	if port == 0 {
		port = DefaultPort
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		done([]netip.AddrPort{netip.AddrPortFrom(a, port)}, nil)
		return
	}
	s.tasks.Go(func() {
		all, err := s.cfg.Resolve(host)
		var list []netip.AddrPort
		for _, a := range all {
			list = append(list, netip.AddrPortFrom(a.Unmap(), port))
		}
		done(list, err)
	})
}

// reached rings the first address that a socket of ours can speak to.
func (l *leg) reached(at []netip.AddrPort, err error, number string, set call.Setup) {
	s := l.x.s
	for _, a := range at {
		var p path
		if p, err = s.pathTo(a, ""); err == nil {
			err = l.ring(p, number, set)
			break
		}
	}
	if err == nil && len(at) > 0 {
		return
	}
	why := call.Timeout.Why("the trunk's address is not known")
	if err != nil {
		why = call.Timeout.Why(err.Error())
	}
	l.x.mu.Lock()
	defer l.x.unlock()
	l.ended(why)
	l.x.over = true
}

// errNoSocket says that no socket of ours speaks the family of an address.
var errNoSocket = errors.New("iax2: no socket for the address; add one to [iax2] udp")

// pathTo gives the way to an address, from the address of ours that it last spoke to.
func (s *Server) pathTo(to netip.AddrPort, local string) (path, error) {
	from, _ := netip.ParseAddr(local)
	s.mu.Lock()
	defer s.mu.Unlock()
	var best *port
	for _, p := range s.ports {
		a := p.local.Addr()
		wild := a.IsUnspecified()
		if a.Is4() != to.Addr().Unmap().Is4() && !(wild && a.Is6()) {
			continue
		}
		if !wild && a.IsLoopback() != to.Addr().IsLoopback() {
			continue
		}
		if best == nil || a == from {
			best = p
		}
	}
	if best == nil {
		return path{}, fmt.Errorf("%w: %v", errNoSocket, to)
	}
	if !best.local.Addr().IsUnspecified() || from.IsUnspecified() {
		from = netip.Addr{}
	}
	return path{best, to, from}, nil
}

// newCall makes a leg for a call of ours, without a way yet.
func (s *Server) newCall(a account, set call.Setup, codecs []string) (*leg, error) {
	offer, err := media.OfferFrom(set.Offer, set.From.Codecs, codecs)
	if err != nil {
		return nil, err
	}
	x := s.newSession(path{}, 0, false)
	l := &leg{x: x, id: newID(), account: a, offer: offer, logged: set.CallID, correspondent: set.From.Number, can: named(&offer), sees: seen(&offer)}
	if len(l.can) == 0 {
		return nil, call.NotAcceptable.Why("IAX2 has no name for any codec of the caller's")
	}
	x.party = l
	l.flow = newFlow(l)
	x.flow.Store(l.flow)
	return l, nil
}

// ring says NEW.
func (l *leg) ring(p path, number string, set call.Setup) error {
	x := l.x
	x.mu.Lock()
	defer x.unlock()
	if l.stage == gone || x.over {
		return nil // given up meanwhile
	}
	x.path = p
	if !x.s.sessions.add(x) {
		return call.Cause{Kind: call.Failed.Kind, Code: 503, Text: "too many calls"}
	}
	if number == "" {
		number = l.number
	}
	l.offered = l.invitation(number, set)
	x.command(frame.New, l.offered)
	l.asked = time.Now()
	return nil
}

// invitation is what NEW says.
func (l *leg) invitation(number string, set call.Setup) *frame.Elements {
	e := &frame.Elements{
		Version: frame.ProtocolVersion, CalledNumber: number, DNID: set.Dialled,
		CallingNumber: set.From.Number, CallingName: set.From.Name, Presentation: frame.Some(uint8(0)),
		Username: l.account.user, Format: l.can[0], Capability: l.can.Set() | l.sees.Set(), Preference: l.can,
		DateTime: frame.NewDateTime(time.Now()), CallToken: frame.Some([]byte(nil)),
		AutoAnswer: set.AnswerMode == "auto",
		Variables:  []frame.Variable{{Name: hops, Value: strconv.Itoa(set.MaxForwards)}},
	}
	if l.account.trunk == nil {
		e.Username, e.Variables = "", nil // a device is not asked who it is
	}
	if len(set.Diverted) > 0 {
		e.RDNIS = set.Diverted[len(set.Diverted)-1].Number
	}
	if set.From.Private {
		e.CallingNumber, e.CallingName, e.Presentation = "", "", frame.Some(uint8(restricted))
	}
	if l.account.encryption != "off" && l.account.password != "" {
		e.Encryption = ours
	}
	return e
}
