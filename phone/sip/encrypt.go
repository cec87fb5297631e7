package sip

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/media/sdp"
	"tincan/phone/media/secure"
	"tincan/phone/sip/transport"
)

// encryption is what a leg knows of how its media are secured. The leg's mutex
// guards it.
type encryption struct {
	policy      string // one of directory.Encryptions
	shields     []shield
	shieldsNext []shield // of the offer that is being answered
	manners     []manner // how a call out is still to be tried, the first one now
	said        uint64   // what our description was, as a hash
}

// policyOf gives whether a party's media are to be encrypted.
func (s *Server) policyOf(party string) string {
	return cmp.Or(s.cfg.Directory.Snapshot().Encryption(party), s.settings.Load().Encryption, directory.EncryptionAuto)
}

// concealed reports whether nobody but the two ends (and proxies between them) can
// read what is signalled.
func concealed(p transport.Protocol) bool { return p == transport.TLS || p == transport.WSS }

// hear takes the offer of a caller. The cause is not nil if no sound of it can be
// taken.
func (l *leg) hear(offer media.Description) (media.Description, *call.Cause) {
	d, shields, why := takenOffer(offer, l.policy, l.shields, !concealed(l.path.Protocol))
	l.shields = shields
	if why == "" {
		l.remember()
		return d, nil
	}
	cause := call.Unencrypted.Why(l.party + ": " + why)
	return d, &cause
}

// mannersBy gives how a call out by a way is tried: at each refusal of the media
// the next. Whoever only knows RTP/AVP refuses RTP/SAVP with 488; the other way
// round it is the same.
func (l *leg) mannersBy(p transport.Path) []manner {
	all := l.mannersFor(p)
	last, known := l.s.habits.of(l.habitual())
	if !known || l.policy == directory.EncryptionOff {
		return all
	}
	return append([]manner{last}, slices.DeleteFunc(all, func(m manner) bool { return m == last })...)
}

func (l *leg) mannersFor(p transport.Path) []manner {
	switch {
	case l.policy == directory.EncryptionOff:
		return []manner{plain}
	case p.Protocol == transport.WSS: // browsers know nothing else
		return []manner{shaken}
	case l.policy == directory.EncryptionRequired:
		return []manner{keyed, shaken}
	case l.policy == directory.EncryptionWanted:
		return []manner{keyed, shaken, plain}
	case concealed(p.Protocol):
		return []manner{keyed, plain, shaken}
	}
	return []manner{plain}
}

// habitual names the device of the leg among all.
func (l *leg) habitual() string {
	if l.key == "" {
		return ""
	}
	return flowName(l.party, l.key)
}

// remember keeps in what manner the device encrypts. One that does not is asked
// again each time, since it may have been set up to.
func (l *leg) remember() {
	for _, sh := range l.shields {
		if sh.secured() {
			l.s.habits.keep(l.habitual(), sh.Manner)
			return
		}
	}
}

// beside reports whether keys are offered beside RTP/AVP, to whoever refused
// RTP/SAVP or cannot be asked twice.
func (l *leg) beside() bool {
	return l.policy == directory.EncryptionWanted || l.late && l.policy == directory.EncryptionAuto && concealed(l.path.Protocol)
}

// offerManner is the manner of lines that the party has not had yet.
func (l *leg) offerManner() manner {
	for _, sh := range l.shields {
		if sh.secured() {
			return sh.Manner
		}
	}
	switch {
	case len(l.manners) > 0:
		return l.manners[0]
	case l.policy == directory.EncryptionRequired:
		return keyed
	}
	return plain
}

// refusesMedia reports whether a response is about the media that were offered.
func refusesMedia(res *wire.Response) bool {
	switch res.StatusCode {
	case wire.StatusNotAcceptableHere, wire.StatusUnsupportedMediaType, wire.StatusGlobalNotAcceptable:
		return true
	}
	return false
}

// otherwise repeats a refused INVITE with the media secured in the next manner. It
// reports false if there is none.
func (l *leg) otherwise(res *wire.Response, forwards int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != early || len(l.manners) < 2 || !refusesMedia(res) {
		return false
	}
	l.manners, l.shields = l.manners[1:], nil
	l.repeat(forwards, minSessionExpires)
	return true
}

// conclude tells the call of the answer. A phone that answers but leaves the sound
// out, since it does not know the profile, is offered it in the next manner first.
// Called with mu held.
func (l *leg) conclude() {
	if l.stage != up {
		return
	}
	if len(l.manners) < 2 || !l.soundless() {
		l.closeRefused()
		l.post(call.Answered{Leg: l, Answer: media.Within(l.ours, l.theirs), Offered: l.awaited != nil})
		return
	}
	l.manners, l.shields = l.manners[1:], nil
	l.reoffer(l.ours, func(_ *wire.Response, err error) {
		if err != nil {
			cause := call.NotAcceptable.Why(err.Error())
			l.sendBye(cause)
			l.post(call.Ended{Leg: l, Cause: cause})
			return
		}
		l.conclude()
	})
}

// soundless reports whether the party's answer leaves out the sound that it was
// offered.
func (l *leg) soundless() bool {
	return l.ours.Stream(media.Audio) != nil && l.theirs.Stream(media.Audio) == nil
}

// repeat sends the first INVITE once more, as another.
func (l *leg) repeat(forwards, minSE int) {
	l.localSeq++
	l.inviteSeq = l.localSeq
	l.remoteTag, l.routes = "", l.fixed
	if l.trip != nil {
		l.routes = l.trip.routes
	}
	req := l.inviteRequest(l.inviteSeq, forwards, minSE)
	l.proposes(req, l.ours)
	l.sendInvite(req, l.path, forwards)
}

// offer makes d our offer, and gives its text. Called with mu held.
func (l *leg) offer(d media.Description) []byte {
	l.shields = offering(d, l.shields, l.offerManner(), l.beside())
	d.Streams = slices.Clone(d.Streams)
	for i := range l.shields {
		if sh := &l.shields[i]; sh.Manner == shaken {
			d.Streams[i].Mux = true // one handshake for both (RFC 8842 5.1)
			if l.path.Protocol == transport.WSS && !sh.Agreed && !strings.HasSuffix(sh.Profile, "F") {
				sh.Profile += "F" // of browsers (RFC 8834 4.2)
			}
		}
	}
	return l.describe(d)
}

// write gives our description as the party reads it. One that says what the last
// one said keeps its version (RFC 3264 8).
func (l *leg) write() []byte {
	d := shielded(l.ours, l.shields, l.s.identity.Fingerprint())
	text := sdp.Write(d, l.origin)
	if l.origin.Version > 0 && digestOf(text) == l.said {
		return text
	}
	l.origin.Version++
	text = sdp.Write(d, l.origin)
	l.said = digestOf(text)
	return text
}

func digestOf(text []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(text) // never fails (hash.Hash)
	return h.Sum64()
}

// takeAnswer takes the party's answer to our offer. The cause is not nil if the call
// cannot go on with it.
func (l *leg) takeAnswer(answer media.Description) *call.Cause {
	d, shields, why := accepted(answer, l.shields, l.policy)
	if why != "" {
		cause := call.Unencrypted.Why(l.party + ": " + why)
		return &cause
	}
	l.theirs, l.shields = d, shields
	l.remember()
	return nil
}

// unencrypted gives the cause of a refusal that encryption may be the reason of.
func (l *leg) unencrypted(res *wire.Response, cause call.Cause) call.Cause {
	if l.policy == directory.EncryptionRequired && refusesMedia(res) {
		cause = call.Unencrypted.Why(l.party + " refuses encrypted media, which are required: " + cause.Text)
		cause.Again = true
	}
	return cause
}

// encrypted says, for people, how the party's sound is encrypted; missed is true
// if it is not though that was wanted.
func (l *leg) encrypted() (text string, missed bool) {
	for i := range l.ours.Streams {
		if st := &l.ours.Streams[i]; st.Kind == media.Audio && !st.Refused() && i < len(l.theirs.Streams) {
			return l.encryptedBy(i)
		}
	}
	return "", false
}

func (l *leg) encryptedBy(i int) (text string, missed bool) {
	sh, keys := at(l.shields, i), l.keys(i)
	switch {
	case !sh.secured():
		if l.policy == directory.EncryptionWanted {
			return "none, though wanted", true
		}
		return "", false
	case keys == nil:
		return "DTLS, not agreed yet", false
	case sh.Manner == shaken:
		return "DTLS " + keys.Suite.String(), false
	case concealed(l.path.Protocol):
		return "SDES " + keys.Suite.String(), false
	}
	return "SDES " + keys.Suite.String() + ", its keys in the clear over " + string(l.path.Protocol), false
}

// keys are those in force in a line.
func (l *leg) keys(i int) *secure.Keys {
	if sh := at(l.shields, i); sh.Manner != shaken {
		return sh.Keys
	}
	if i < len(l.lines) && l.lines[i] != nil {
		if k := l.lines[i].Keys(); k != nil {
			return k
		}
	}
	return at(l.shields, i).Keys
}

// insecure is told that the party did not prove itself in a line. A camera whose
// handshake never comes to an end costs the picture alone; a certificate that is
// another's is never only that.
func (l *leg) insecure(k media.Kind, why error) {
	if k != media.Audio && !errors.Is(why, secure.ErrMismatch) {
		l.s.cfg.Logger.Warn("nothing passes", "party", l.party, "kind", k.String(), "error", why)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	cause := l.unproven(why)
	switch {
	case l.stage >= leaving:
		return
	case l.stage == early && l.uac:
		l.stage = leaving
		l.unseat()
		if l.client != nil {
			l.client.Cancel(reasonFor(cause))
		}
	case l.stage == early:
		l.refuse(cause)
	default:
		l.sendBye(cause)
	}
	l.post(call.Ended{Leg: l, Cause: cause})
}

// unproven says why the party did not prove itself: it may be that nothing could come
// of it at all. Called with mu held.
func (l *leg) unproven(why error) call.Cause {
	if errors.Is(why, secure.ErrTimeout) {
		for i, s := range l.ices {
			if s == nil || l.lines[i] != l.audio() {
				continue
			}
			if lost := s.Lost(); lost != "" {
				return call.MediaTimeout.Why(lost)
			}
		}
	}
	return call.Unencrypted.Why(l.party + ": " + why.Error())
}

// maxHabits bounds the devices whose manner is kept.
const maxHabits = 4096

// habits are in what manner devices have encrypted, so that a phone that takes but
// one is asked for that first. Safe for any goroutine.
type habits struct {
	mu sync.Mutex // guards by
	by map[string]manner
}

func (h *habits) of(device string) (m manner, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, ok = h.by[device]
	return m, ok
}

func (h *habits) keep(device string, m manner) {
	if device == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil || len(h.by) >= maxHabits {
		h.by = map[string]manner{}
	}
	h.by[device] = m
}

// sealed gives the keys for a restart: sealed, for this leg. "" if there are none.
func (l *leg) sealed() string {
	if !slices.ContainsFunc(l.shields, shield.secured) {
		return ""
	}
	if l.s.cfg.Box == nil {
		return unkept
	}
	kept := slices.Clone(l.shields)
	for i := range kept {
		kept[i].Keys = l.keys(i)
	}
	b, err := call.Encode(kept)
	if err != nil { // cannot be: plain data
		l.s.cfg.Logger.Error("leg's keys cannot be written", "leg", l.id, "error", err)
		return unkept
	}
	return l.s.cfg.Box.Seal(b, l.sealContext())
}

// unkept stands for keys that could not be kept, so that nobody goes on in the
// clear.
const unkept = "-"

func (l *leg) sealContext() string { return "leg:" + l.id + "/keys" }

// unsealed takes the keys back.
func (l *leg) unsealed(text string) error {
	defer func() {
		l.said = digestOf(sdp.Write(shielded(l.ours, l.shields, l.s.identity.Fingerprint()), l.origin))
	}()
	switch {
	case text == "":
		return nil
	case text == unkept || l.s.cfg.Box == nil:
		return errors.New("its media are encrypted, and the keys were not kept")
	}
	b, err := l.s.cfg.Box.Unseal(text, l.sealContext())
	if err != nil {
		return fmt.Errorf("its keys: %w", err)
	}
	return call.Decode(b, &l.shields)
}
