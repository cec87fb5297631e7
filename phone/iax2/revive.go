package iax2

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"tincan/phone/call"
	"tincan/phone/iax2/frame"
	"tincan/phone/iax2/proof"
	"tincan/phone/media"
)

// saved is what a restart needs of an answered leg.
type saved struct {
	ID, Call, Party     string
	CalledIn            bool
	Number, Name, Other string
	Ours, Theirs        uint16
	Peer                netip.AddrPort
	Port                netip.AddrPort // that the socket was bound to
	Local               netip.Addr
	Epoch               time.Time
	OSeq, ISeq          uint8
	Can                 frame.Preference
	Chosen              frame.Format
	Sees                frame.Preference
	Shown               frame.Format
	Offer               media.Description
	Held                bool
	Bundled             bool
	Keys                string // sealed; "": in the clear
}

// savedKeys are the keys of an encrypted call.
type savedKeys struct {
	Seal, Open []byte
	With       frame.Encryption
}

func (l *leg) context() string { return "iax2 leg " + l.id }

// State gives what Revive needs (call.Leg).
func (l *leg) State() []byte {
	l.x.mu.Lock()
	defer l.x.unlock()
	x := l.x
	v := saved{
		ID: l.id, Call: l.logged, Party: l.account.ref, CalledIn: l.calledIn, Number: l.number, Name: l.name, Other: l.correspondent,
		Ours: x.ours, Theirs: x.number, Peer: x.path.peer, Local: x.path.local, Epoch: x.epoch, OSeq: x.oseq, ISeq: x.iseq,
		Can: l.can, Chosen: l.flow.chosen, Sees: l.sees, Offer: l.offer, Held: l.held, Bundled: l.flow.bundled,
	}
	if x.path.port != nil {
		v.Port = x.path.port.local
	}
	if l.pictures != nil {
		v.Shown = l.pictures.chosen
	}
	if k := x.keys; k != nil {
		b, err := json.Marshal(savedKeys{k.sealKey[:], k.openKey[:], k.with})
		if err != nil {
			return nil // cannot be: plain data
		}
		v.Keys = x.s.cfg.Box.Seal(b, l.context())
	}
	b, err := call.Encode(v)
	if err != nil {
		x.s.log.Error("iax2: a leg's state cannot be written", "leg", l.id, "error", err)
	}
	return b
}

// Revive makes a leg again after a restart. Where the peer is in its sequence of frames
// it says in its next one, which a PING draws out.
func (s *Server) Revive(state []byte, owner call.Owner) (call.Leg, error) {
	var v saved
	if err := call.Decode(state, &v); err != nil {
		return nil, fmt.Errorf("iax2: state of a leg: %w", err)
	}
	a, ok := s.accountAgain(v.Party)
	if !ok {
		return nil, fmt.Errorf("iax2: there is no %s any more", v.Party)
	}
	p, err := s.pathAgain(&v)
	if err != nil {
		return nil, err
	}
	x := s.newSession(p, v.Theirs, false)
	x.ours, x.epoch, x.oseq, x.iseq, x.behind = v.Ours, v.Epoch, v.OSeq, v.ISeq, true
	l := &leg{
		x: x, id: v.ID, logged: v.Call, calledIn: v.CalledIn, account: a, number: v.Number, name: v.Name, correspondent: v.Other,
		can: v.Can, sees: v.Sees, offer: v.Offer, held: v.Held, accepted: true, owner: owner, owned: true,
	}
	x.party, l.flow = l, newFlow(l)
	l.flow.choose(v.Chosen, v.Can)
	if v.Shown != 0 {
		l.watch()
		l.pictures.choose(v.Shown)
	}
	l.flow.bundled, l.flow.paused = v.Bundled, v.Held
	if err := l.unlockKeys(v.Keys); err != nil {
		return nil, err
	}
	if !s.sessions.restore(x) {
		return nil, fmt.Errorf("iax2: call number %d is taken", v.Ours)
	}
	if a.trunk != nil {
		l.seat = s.links.get(a.trunk)
		l.seat.enter(v.CalledIn)
	}
	x.mu.Lock()
	defer x.unlock()
	x.flow.Store(l.flow)
	l.stands()
	l.asked = time.Now()
	x.ping()
	return l, nil
}

func (l *leg) unlockKeys(sealed string) error {
	if sealed == "" {
		return nil
	}
	b, err := l.x.s.cfg.Box.Unseal(sealed, l.context())
	if err != nil {
		return fmt.Errorf("iax2: keys of a call: %w", err)
	}
	var k savedKeys
	if err := json.Unmarshal(b, &k); err != nil || len(k.Seal) != proof.KeyLength || len(k.Open) != proof.KeyLength {
		return fmt.Errorf("iax2: keys of a call cannot be read: %w", err)
	}
	l.x.keys = newKeys([proof.KeyLength]byte(k.Seal), [proof.KeyLength]byte(k.Open), k.With)
	l.x.publish()
	return nil
}

// accountAgain finds a party by its destination.
func (s *Server) accountAgain(ref string) (account, bool) {
	snap := s.cfg.Directory.Snapshot()
	if ref == call.Stranger {
		s.guests.Add(1)
		return account{ref: ref}, true
	}
	for _, e := range snap.Extensions() {
		if a := s.extensionAccount(e); e.IAX2 && a.ref == ref {
			return a, true
		}
	}
	for _, t := range snap.Trunks() {
		if t.IAX2() && t.Ref() == ref {
			return trunkAccount(s, t), true
		}
	}
	return account{}, false
}

// pathAgain finds the socket that a call went through.
func (s *Server) pathAgain(v *saved) (path, error) {
	s.mu.Lock()
	for _, p := range s.ports {
		if p.local == v.Port {
			s.mu.Unlock()
			return path{p, v.Peer, v.Local}, nil
		}
	}
	s.mu.Unlock()
	return path{}, fmt.Errorf("iax2: no socket at %v any more", v.Port)
}

// changed tells the call that what State gives is worth writing again.
func (l *leg) changed() { l.post(call.Changed{Leg: l}) }
