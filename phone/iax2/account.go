package iax2

import (
	"crypto/rsa"
	"net/netip"
	"slices"
	"strconv"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/iax2/frame"
)

// account is who calls or is called.
type account struct {
	ref        string // destination form, or call.Stranger
	user       string
	number     string // of an extension
	name       string
	codecs     []string
	password   string
	key        *rsa.PublicKey // of the peer; nil: it has none
	encryption string         // "off", "auto", "wanted" or "required"
	sound      directory.Sound
	trunk      *directory.Trunk // nil: an extension, or nobody
}

// accountOf finds who a user name is.
func (s *Server) accountOf(snap *directory.Snapshot, user string) (account, bool) {
	if user == "" {
		return account{}, false
	}
	if e, ok := snap.Extension(user); ok && e.IAX2 {
		return s.extensionAccount(e), true
	}
	if t, ok := snap.IAX2TrunkByUser(user); ok {
		return trunkAccount(s, t), true
	}
	for _, t := range snap.Trunks() { // where we register: it proves itself by the secret that is between us
		if t.IAX2() && t.Register && t.Username == user {
			return trunkAccount(s, t), true
		}
	}
	return account{}, false
}

func (s *Server) extensionAccount(e *directory.Extension) account {
	return account{
		ref: "extension:" + e.Number, user: e.Number, number: e.Number, name: e.Name, codecs: e.Codecs,
		password: e.Password(), encryption: s.policy(e.Encryption), sound: cleaned(e.Sound),
	}
}

func trunkAccount(s *Server, t *directory.Trunk) account {
	return account{
		ref: t.Ref(), user: t.Username, codecs: t.Codecs, password: t.Password(), key: t.Key,
		encryption: s.policy(t.Encryption), sound: cleaned(t.Sound), trunk: t,
	}
}

// cleaned leaves of how sound is treated what IAX2 needs: keys have frames of their own.
func cleaned(s directory.Sound) directory.Sound {
	s.DTMF = directory.DTMFAuto
	return s
}

// policy says how far the sound of a party is to be encrypted.
func (s *Server) policy(own string) string {
	if own == "" {
		own = s.settings.Load().Encryption
	}
	if own == "" {
		own = "auto"
	}
	return own
}

func (s *Server) public(number string) bool {
	return s.cfg.Public != nil && s.settings.Load().Guests > 0 && s.cfg.Public(number)
}

// restricted is the bit of a presentation that says that the caller is not to be
// shown (Q.931 4.5.10: 01 of bits 7 and 6).
const restricted = 0x20

// party is who calls, as others are shown it.
func (a *account) party(e *frame.Elements, peer netip.AddrPort) call.Party {
	p := call.Party{Ref: a.ref, Number: a.number, Name: a.name, Codecs: a.codecs}
	switch {
	case a.ref == call.Stranger:
		p.Number, p.Name = "anonymous", clip(e.CallingName)
		if e.CallingNumber != "" {
			p.Number = clip(e.CallingNumber) + "@" + peer.Addr().Unmap().String()
		}
	case a.trunk != nil:
		p.Number, p.Name = clip(e.CallingNumber), clip(e.CallingName)
	}
	p.Private = e.Presentation.Present && e.Presentation.Value&0x60 == restricted
	return p
}

// maxText bounds what is kept of a peer's texts.
const maxText = 128

func clip(s string) string {
	if r := []rune(s); len(r) > maxText {
		return string(r[:maxText])
	}
	return s
}

// allowed leaves of formats those whose codecs are named; all if none is.
func allowed(list frame.Preference, codecs []string) frame.Preference {
	if len(codecs) == 0 {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(f frame.Format) bool {
		c, ok := f.Codec()
		return !ok || !slices.Contains(codecs, c.Name)
	})
}

// hops is the variable by which servers like this one tell how many more a call may
// pass: IAX2 has nothing of its own against loops. startHops is that of a call that
// does not say.
const (
	hops      = "TINCAN_HOPS"
	startHops = 70
)

func forwards(e *frame.Elements) int {
	for _, v := range e.Variables {
		if v.Name == hops {
			if n, err := strconv.Atoi(v.Value); err == nil && n >= 0 && n < startHops {
				return n
			}
		}
	}
	return startHops
}
