package sip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/media/secure"
)

// How a line's media are secured, by offer and answer. The leg alone knows: what it
// tells the call, and hears from it, are lines of RTP/AVP without keys, so that
// each side of a call is secured by itself.
//
//	party ── RTP/SAVP, a=crypto ──> takenOffer ── RTP/AVP ──> call ── RTP/AVP ──> write ── as the party can ──> party

// manner is how media are secured.
type manner uint8

const (
	plain  manner = iota // RTP/AVP; with keys beside it, which the party may take (RFC 8643)
	keyed                // keys in the description (SDES)
	shaken               // keys by a handshake (DTLS)
)

// shield is how one line is secured. It is kept, sealed, while a call stands.
type shield struct {
	Manner  manner
	Profile string               // of the m= line that we wrote last
	Ours    []secure.Crypto      // in it
	Line    secure.Crypto        // of ours, in force
	Keys    *secure.Keys         // in force; nil: in the clear, or a flow finds them
	Active  bool                 // we begin the handshake
	Setup   string               // of it, as we wrote it last
	Prints  []secure.Fingerprint // of the party
	Agreed  bool                 // the party has answered, or was
}

// secured reports whether nothing passes in the clear.
func (s shield) secured() bool { return s.Keys != nil || s.Manner == shaken && s.Agreed }

// terms are those of the handshake; nil: there is none.
func (s shield) terms(i *secure.Identity) *secure.Terms {
	if s.Manner != shaken || !s.Agreed {
		return nil
	}
	return &secure.Terms{Identity: i, Active: s.Active, Prints: s.Prints}
}

// securedProfile reports whether a profile is one of SRTP.
func securedProfile(proto string) bool { return strings.Contains(proto, "SAVP") }

// feedbackProfile is that of media in the clear whose parties send feedback early (RFC
// 4585).
const feedbackProfile = "RTP/AVPF"

// bareProfile gives the profile of the same media in the clear: phones that refuse
// RTP/AVPF, and heed a=rtcp-fb beside RTP/AVP, are many (baresip is one). Pictures that
// are offered so in the clear stay so, since two that know it need it.
func bareProfile(st *media.Stream) string {
	if securedProfile(st.Proto) || st.Proto == feedbackProfile && st.Kind == media.Audio {
		return "RTP/AVP"
	}
	return st.Proto
}

// withKeys gives the profile of the same media with keys, withHandshake that with
// a handshake, which who knows it knows with feedback too (RFC 5764 9).
func withKeys(proto string) string { return strings.Replace(proto, "RTP/AVP", "RTP/SAVP", 1) }

func withHandshake(st *media.Stream) string {
	proto := "UDP/TLS/" + withKeys(st.Proto)
	if len(st.Feedback) > 0 && !strings.HasSuffix(proto, "F") {
		proto += "F"
	}
	return proto
}

// shakes reports whether a line is to be secured by a handshake: its profile is
// one, or there is no key in it but a fingerprint.
func shakes(st *media.Stream) bool {
	return strings.HasPrefix(st.Proto, "UDP/TLS/") || len(st.Crypto) == 0 && proves(st)
}

// proves reports whether a line has a fingerprint to prove itself by.
func proves(st *media.Stream) bool {
	return slices.ContainsFunc(st.Fingerprints, secure.Fingerprint.Known)
}

// takeHand takes the handshake that an offer asks for. We wait if we may: a party
// behind a NAT can be reached only by answering it.
func takeHand(st *media.Stream, had shield) (sh shield, ok bool) {
	sh = shield{Manner: shaken, Profile: st.Proto, Agreed: true, Setup: "passive", Prints: st.Fingerprints}
	switch st.Setup {
	case "passive":
		sh.Active = true
	case "actpass":
		sh.Active = had.Manner == shaken && had.Agreed && had.Active // as it has been (RFC 8842 5.3)
	}
	if sh.Active {
		sh.Setup = "active"
	}
	return sh.with(had), proves(st)
}

// with keeps the keys of the same handshake.
func (s shield) with(had shield) shield {
	if a, b := s.terms(nil), had.terms(nil); a != nil && b != nil && a.Same(b) {
		s.Keys = had.Keys
	}
	return s
}

// Why a line is not taken, for people.
const (
	faxInTheClear  = "a fax by T.38 is not encrypted, and that is required"
	offersNothing  = "it offers no encryption, which is required"
	offersUnknown  = "it offers %s without a key that is known here"
	encryptionOff  = "it offers %s alone, and encryption is off"
	answersNothing = "it answers without encryption, which is required"
	answersNoProof = "it answers without the fingerprint that a handshake needs"
	answersOther   = "it answers with keys that were not offered"
)

// taken looks at a line that a party offers: how it is secured, or why it cannot
// be. had is how it has been. Of keys and a handshake, which are both offered, keys are
// taken, as they ask nothing more of the phone; but not where others read them.
func taken(st *media.Stream, policy string, had shield, read bool) (sh shield, why string) {
	sh.Profile, sh.Agreed = st.Proto, true
	secured := securedProfile(st.Proto)
	if policy == directory.EncryptionOff {
		if secured {
			return sh, fmt.Sprintf(encryptionOff, st.Proto)
		}
		return sh, ""
	}
	if shakes(st) || read && proves(st) && (had.Manner == shaken || had.Keys == nil) {
		if hand, ok := takeHand(st, had); ok {
			return hand, ""
		}
	}
	if line, keys, ok := secure.Choose(st.Crypto, had.Line); ok {
		sh.Manner, sh.Ours, sh.Line, sh.Keys = keyed, []secure.Crypto{line}, line, &keys
		return sh, ""
	}
	switch {
	case secured:
		return sh, fmt.Sprintf(offersUnknown, st.Proto)
	case policy == directory.EncryptionRequired:
		return sh, offersNothing
	}
	return sh, ""
}

// takenOffer is a party's offer as the call is told of it, and how its lines are
// secured. read: others may read it on its way. why says, if not empty, for what no
// sound can be taken.
func takenOffer(offer media.Description, policy string, had []shield, read bool) (d media.Description, shields []shield, why string) {
	d = offer.Unkeyed()
	shields = make([]shield, len(offer.Streams))
	sound := -1 // the line of sound that is taken: one that is secured, if there is
	for i := range offer.Streams {
		st := &offer.Streams[i]
		if !st.Refused() && barsFax(st, policy) {
			refuseLine(&d.Streams[i])
			why = faxInTheClear
			continue
		}
		if st.Refused() || !securable(st.Kind) {
			continue
		}
		sh, bad := taken(st, policy, at(had, i), read)
		switch {
		case bad != "":
			refuseLine(&d.Streams[i])
			if st.Kind == media.Audio {
				why = bad
			}
			continue
		case st.Kind == media.Audio && sound >= 0 && (!sh.secured() || shields[sound].secured()):
			refuseLine(&d.Streams[i])
			continue
		case st.Kind == media.Audio:
			if sound >= 0 {
				refuseLine(&d.Streams[sound])
				d.Streams[sound].Proto = offer.Streams[sound].Proto
			}
			sound = i
		}
		shields[i], d.Streams[i].Proto = sh, bareProfile(st)
	}
	if sound >= 0 {
		why = ""
	}
	return d, shields, why
}

// barsFax reports whether a line is a fax that must not pass: there is no way to
// encrypt it.
func barsFax(st *media.Stream, policy string) bool {
	return st.Kind == media.Image && policy == directory.EncryptionRequired
}

func securable(k media.Kind) bool { return k == media.Audio || k == media.Video || k == media.Text }

func refuseLine(st *media.Stream) { st.RTP = netip.AddrPort{} }

func at(shields []shield, i int) shield {
	if i < len(shields) {
		return shields[i]
	}
	return shield{}
}

// eitherBegins is offered of a handshake: beside keys too, since some phones answer
// any profile in the way that they are set up for.
const eitherBegins = "actpass"

// offering makes how the lines of an offer of ours are secured: those that the
// party has had, as they are; others in a manner. beside: keys go beside RTP/AVP.
func offering(d media.Description, had []shield, m manner, beside bool) []shield {
	out := make([]shield, len(d.Streams))
	for i := range d.Streams {
		st := &d.Streams[i]
		if st.Refused() || !securable(st.Kind) {
			continue
		}
		sh := at(had, i)
		switch {
		case sh.Agreed && sh.Manner == shaken:
			sh.Setup = eitherBegins
		case sh.Keys != nil:
			sh.Ours, sh.Setup = []secure.Crypto{sh.Line}, ""
		case sh.Agreed && sh.Profile == feedbackProfile:
			sh = shield{Profile: feedbackProfile, Agreed: true}
		case sh.Agreed:
			sh = shield{Profile: st.Proto, Agreed: true}
		case sh.Profile != "": // it has not been answered yet
		case m == keyed:
			sh = shield{Manner: keyed, Profile: withKeys(st.Proto), Ours: secure.Offer(), Setup: eitherBegins}
		case m == shaken:
			sh = shield{Manner: shaken, Profile: withHandshake(st), Setup: eitherBegins}
		case beside:
			sh = shield{Profile: st.Proto, Ours: secure.Offer(), Setup: eitherBegins}
		default:
			sh = shield{Profile: st.Proto}
		}
		out[i] = sh
	}
	return out
}

// accepted looks at a party's answer to an offer of ours, which shields are of:
// what the call is told, and how its lines are secured. why says, if not empty,
// for what the answer cannot be taken.
func accepted(answer media.Description, shields []shield, policy string) (d media.Description, out []shield, why string) {
	d = answer.Unkeyed()
	out = make([]shield, len(answer.Streams))
	for i := range answer.Streams {
		st := &answer.Streams[i]
		sh := at(shields, i)
		if st.Refused() || !securable(st.Kind) {
			if sh.secured() { // off for now; else it has yet to be agreed on
				out[i] = sh
			}
			continue
		}
		sh.Agreed = true
		d.Streams[i].Proto = bareProfile(st)
		hand, proves := answeredHand(st, at(shields, i))
		line, keys, ok := secure.Accepted(sh.Ours, st.Crypto)
		switch {
		case sh.Manner == shaken && !proves:
			return d, out, answersNoProof
		case sh.Manner == shaken, proves && sh.Setup != "" && len(st.Crypto) == 0:
			sh = hand
		case ok:
			sh.Manner, sh.Line, sh.Keys = keyed, line, &keys
		case len(sh.Ours) > 0 && len(st.Crypto) > 0:
			return d, out, answersOther
		case policy == directory.EncryptionRequired:
			return d, out, answersNothing
		default: // some phones take RTP/SAVP for RTP/AVP
			sh.Manner, sh.Line, sh.Keys = plain, secure.Crypto{}, nil
		}
		out[i] = sh
	}
	return d, out, ""
}

// answeredHand takes the handshake that an answer agrees to.
func answeredHand(st *media.Stream, had shield) (sh shield, ok bool) {
	sh = had
	sh.Agreed, sh.Manner, sh.Prints, sh.Keys, sh.Ours = true, shaken, st.Fingerprints, nil, nil
	sh.Active = st.Setup == "passive"
	return sh.with(had), proves(st)
}

// shielded is a description of ours as it is written; print is of our certificate.
func shielded(d media.Description, shields []shield, print secure.Fingerprint) media.Description {
	out := d.Unkeyed()
	for i := range out.Streams {
		st, sh := &out.Streams[i], at(shields, i)
		if sh.Profile == "" || !securable(st.Kind) {
			continue
		}
		st.Proto = sh.Profile
		st.Crypto = sh.Ours
		if sh.Setup != "" {
			st.Fingerprints, st.Setup = []secure.Fingerprint{print}, sh.Setup
		}
	}
	return out
}
