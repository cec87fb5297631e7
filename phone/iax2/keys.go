package iax2

import (
	"math/rand/v2"
	"time"

	"tincan/phone/iax2/frame"
	"tincan/phone/iax2/proof"
)

// sealedTrunk, within ENCRYPTION, says that the sender takes the sound of encrypted
// calls in trunk frames: entries without times whose payload is what follows the call
// number in a sealed mini frame. Only servers like this one know it; others would
// trunk an encrypted call in the clear, or not at all.
const sealedTrunk frame.Encryption = 1 << 14

// ours are the ways to encrypt that we know.
const ours = frame.AES128 | frame.RotateKey | sealedTrunk

// sealedAt is where the sealed part of a mini frame begins.
const sealedAt = 2

// keys are those of an encrypted call. The session's lock guards them; what is needed
// for mini frames is in opening as well.
type keys struct {
	seal             *proof.Cipher
	sealKey, openKey [proof.KeyLength]byte
	with             frame.Encryption // what both sides know
	opening          opening
}

func newKeys(seal, open [proof.KeyLength]byte, with frame.Encryption) *keys {
	return &keys{seal: proof.NewCipher(seal), sealKey: seal, openKey: open, with: with, opening: opening{now: proof.NewCipher(open)}}
}

// opening opens what comes: with the peer's key, and for a while with the one before,
// since frames overtake each other.
type opening struct {
	now, old *proof.Cipher
	since    time.Time // of now
}

// oldKeyTime is for how long the key before the present one is tried.
const oldKeyTime = 30 * time.Second

// encrypt begins to encrypt with the key of a challenge and a secret.
func (x *session) encrypt(challenge []byte, secret string, with frame.Encryption) {
	key := proof.SessionKey(challenge, secret)
	x.keys = newKeys(key, key, with)
	x.publish()
}

// publish gives the reader what opens mini frames.
func (x *session) publish() {
	o := x.keys.opening
	x.sealed.Store(&o)
}

// rekey takes a new key of the peer.
func (k *keys) rekey(key []byte, now time.Time) bool {
	if len(key) != proof.KeyLength {
		return false
	}
	k.openKey = [proof.KeyLength]byte(key)
	k.opening = opening{proof.NewCipher(k.openKey), k.opening.now, now}
	return true
}

// openFull opens a full frame in place. Nothing authenticates one: what makes no
// sense was not sealed with the key.
func (x *session) openFull(b []byte) ([]byte, bool) {
	o := &x.keys.opening
	var again []byte
	if o.old != nil && time.Since(o.since) < oldKeyTime {
		x.scratch = append(x.scratch[:0], b...)
		again = x.scratch
	}
	if opened, err := o.now.Open(b); err == nil && x.plausible(opened) {
		return opened, true
	}
	if again == nil {
		return nil, false
	}
	opened, err := o.old.Open(again)
	if err != nil || !x.plausible(opened) {
		return nil, false
	}
	return b[:copy(b, opened)], true
}

// plausible tells whether an opened frame is one of the session: it is of a type that
// there is, waits for a frame that was or will be next, and is not from another day.
func (x *session) plausible(b []byte) bool {
	f, err := frame.ParseFull(b)
	if err != nil || f.Type == 0 || f.Type > frame.DTMFBegin {
		return false
	}
	return (x.behind || x.oseq-f.ISeq <= maxWaiting) && f.Time < x.now()+clockDrift
}

// clockDrift is how far ahead of ours a peer's clock of the call may be, in ms: it began
// its count before, and runs a little fast.
const clockDrift = 60_000

// mostLeap is the longest pause, in ms, after which a mini frame is surely opened with
// the right key.
const mostLeap = 5000

// openMini opens what follows the call number of a mini frame, in place; last is the
// time of the sound before.
func (o *opening) openMini(rest []byte, last uint32, room *[]byte) (low uint16, payload []byte, ok bool) {
	*room = append(append((*room)[:0], 0, 1), rest...)
	m, ok := openMini(o.now, *room)
	if o.old == nil || time.Since(o.since) >= oldKeyTime || ok && near(m.Time, last) {
		return m.Time, m.Payload, ok
	}
	*room = append(append((*room)[:0], 0, 1), rest...)
	if old, was := openMini(o.old, *room); was && near(old.Time, last) {
		return old.Time, old.Payload, true
	}
	*room = append(append((*room)[:0], 0, 1), rest...)
	m, ok = openMini(o.now, *room)
	return m.Time, m.Payload, ok
}

func openMini(c *proof.Cipher, b []byte) (frame.Mini, bool) {
	opened, err := c.Open(b)
	if err != nil {
		return frame.Mini{}, false
	}
	m, err := frame.ParseMini(opened)
	return m, err == nil
}

func near(low uint16, last uint32) bool {
	d := int16(low - uint16(last))
	return d < mostLeap && d > -mostLeap
}

// sealMini appends a sealed mini frame, which room holds unsealed first.
func (k *keys) sealMini(dst []byte, m frame.Mini, room *[]byte) []byte {
	*room = frame.AppendMini((*room)[:0], m)
	b, err := k.seal.Seal(dst, *room)
	if err != nil {
		return dst // cannot be: it is a mini frame
	}
	return b
}

// rotateAfter is when a key is to be changed: at some moment within minutes, as
// others do.
func rotateAfter() time.Duration {
	return 2*time.Minute + time.Duration(rand.Int64N(int64(3*time.Minute)))
}

// rotate sends a new key when it is time, in the last frame that has the old one.
func (l *leg) rotate(now time.Time) {
	x := l.x
	if l.stage != up || x.keys == nil || x.keys.with&frame.RotateKey == 0 || now.Before(l.rotateAt) {
		return
	}
	l.rotateAt = now.Add(rotateAfter())
	key := proof.NewKey()
	x.command(frame.RtKey, &frame.Elements{Challenge: key[:]})
	x.keys.seal, x.keys.sealKey = proof.NewCipher(key), key
	l.changed()
}

// rekeyed takes the peer's new key.
func (l *leg) rekeyed(e *frame.Elements) {
	if k := l.x.keys; k != nil && k.rekey(e.Challenge, time.Now()) {
		l.x.publish()
		l.changed()
	}
}
