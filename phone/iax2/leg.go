package iax2

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"tincan/phone/call"
	"tincan/phone/iax2/frame"
	"tincan/phone/media"
	"tincan/phone/media/quality"
)

// stage is how far a leg is. It only grows.
type stage uint8

const (
	early stage = iota // not answered
	up
	gone
)

// leg is a call with a peer (call.Leg). The session's lock guards it.
type leg struct {
	x             *session
	id            string
	calledIn      bool
	account       account
	number        string // that the party is reached by, or calls from
	name          string
	logged        string // the call's ID, for logs
	correspondent string // number of the other party
	seat          *link  // of the trunk whose calls it counts among

	owner   call.Owner
	owned   bool        // it has had an owner
	unheard *call.Ended // from before it had one

	stage    stage
	accepted bool             // the format is agreed
	can      frame.Preference // what the peer takes and may use
	offer    media.Description
	flow     *flow
	sees     frame.Preference // formats of pictures that the peer takes
	pictures *pictures        // nil: the call cannot have any
	offered  *frame.Elements  // of a NEW of ours, until it is accepted
	held     bool
	since    time.Time // of the conversation
	transfer *transfer // one under way
	stayed   bool      // one came to nothing
	rang     bool
	tokens   int // that the peer has asked for
	rotateAt time.Time
	asked    time.Time   // PING was sent
	stats    media.Stats // when the flow was given back
	fared    quality.Account
	released bool
}

var _ call.Leg = (*leg)(nil)

func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// ID names the leg (call.Leg).
func (l *leg) ID() string { return l.id }

// Own sets who hears of the leg (call.Leg).
func (l *leg) Own(o call.Owner) {
	l.x.mu.Lock()
	defer l.x.unlock()
	l.owned, l.owner = true, o
	if ended := l.unheard; ended != nil {
		l.unheard = nil
		l.post(*ended)
	}
}

// post tells the owner. What nobody owns any more is answered at once.
func (l *leg) post(e call.Event) {
	if l.owner != nil {
		l.owner.Post(e)
		return
	}
	if ended, ok := e.(call.Ended); ok && !l.owned {
		l.unheard = &ended // its call is just being made
	}
}

// Prepare sets up the media of the answer to a caller (call.Leg).
func (l *leg) Prepare(answer media.Description) {
	l.x.mu.Lock()
	defer l.x.unlock()
	if !l.calledIn || l.stage != early {
		return
	}
	if !l.accepted {
		l.choose(&answer)
	}
	l.show(&answer) // before the flows are joined
}

// choose takes the format of an answer, or what the caller likes best.
func (l *leg) choose(answer *media.Description) {
	chosen := l.can[0]
	if answer != nil {
		if list := named(answer); len(list) > 0 {
			chosen = list[0]
		}
	}
	l.flow.choose(chosen, l.can)
	l.show(answer)
}

// show takes the pictures of an answer to a caller, if the peer can see them.
func (l *leg) show(answer *media.Description) {
	if l.pictures == nil || answer == nil {
		return
	}
	if list := within(seen(answer), l.sees.Set()); len(list) > 0 {
		l.pictures.choose(list[0])
	}
}

// Renew has nothing to do: the format stays (call.Leg).
func (l *leg) Renew(media.Description) {}

// Alert tells a caller of progress (call.Leg).
func (l *leg) Alert(code int, answer *media.Description) {
	l.x.mu.Lock()
	defer l.x.unlock()
	if l.stage != early || !l.calledIn {
		return
	}
	l.accept(answer)
	if code == 183 {
		l.x.control(frame.Progress)
	} else if !l.rang {
		l.rang = true
		l.x.control(frame.Ringing)
	}
}

// accept tells a caller that its call is taken on, and in which format.
func (l *leg) accept(answer *media.Description) {
	if l.accepted {
		return
	}
	if l.flow.chosen == 0 {
		l.choose(answer)
	}
	l.accepted = true
	e := &frame.Elements{Format: l.flow.chosen, Capability: l.can.Set() | l.sees.Set()}
	l.x.command(frame.Accept, e)
}

// agreement reduces a description to what the call has.
func (l *leg) agreement(d media.Description) media.Description {
	var picture frame.Format
	if l.pictures != nil {
		picture = l.pictures.chosen
	}
	return only(d, l.flow.chosen, picture)
}

// watch lets the call have pictures.
func (l *leg) watch() {
	l.pictures = newPictures(l.x)
	l.x.pictures.Store(l.pictures)
}

// Answer accepts a caller's call (call.Leg).
func (l *leg) Answer(answer media.Description) {
	l.x.mu.Lock()
	defer l.x.unlock()
	if l.stage != early || !l.calledIn {
		return
	}
	l.accept(&answer)
	l.show(&answer)
	l.x.control(frame.Answer)
	l.stands()
}

// stands is the beginning of the conversation.
func (l *leg) stands() {
	l.stage, l.since = up, time.Now()
	l.flow.judged = l.people()
	l.rotateAt = time.Now().Add(rotateAfter())
}

// people is what people call the party.
func (l *leg) people() string {
	if l.account.trunk != nil {
		return l.account.trunk.Name
	}
	if l.number != "" {
		return l.number
	}
	return "the caller"
}

// Hangup ends the leg however far it is (call.Leg).
func (l *leg) Hangup(cause call.Cause) {
	l.x.mu.Lock()
	defer l.x.unlock()
	l.hangup(cause)
}

func (l *leg) hangup(cause call.Cause) {
	if l.stage == gone || l.x.over {
		return
	}
	refused := l.calledIn && !l.accepted
	l.leaves()
	if l.x.path.port == nil { // where the party is was not known yet
		l.x.over = true
		return
	}
	e := &frame.Elements{Cause: cause.Text, CauseCode: frame.Some(codeOf(cause))}
	if refused {
		l.x.command(frame.Reject, e)
	} else {
		l.x.command(frame.HangupCall, e)
	}
	l.x.leave()
}

// leaves gives back what a call takes.
func (l *leg) leaves() {
	l.stage = gone
	if l.seat != nil {
		l.seat.leave(l.calledIn)
		l.seat = nil
	}
	if l.account.ref == call.Stranger {
		l.x.s.guests.Add(-1)
	}
}

// ended tells the call that the party is gone.
func (l *leg) ended(cause call.Cause) {
	if l.stage == gone {
		return
	}
	l.leaves()
	l.post(call.Ended{Leg: l, Cause: cause})
}

// lost is the end of a session that the peer does not answer in (party).
func (l *leg) lost(why call.Cause) { l.ended(why) }

// Offer takes a change that leaves the format as it is: IAX2 has no other (call.Leg).
func (l *leg) Offer(d media.Description) {
	l.x.mu.Lock()
	defer l.x.unlock()
	if l.stage != up {
		return
	}
	if st := d.Stream(media.Audio); st != nil {
		if answer := l.agreement(d); len(answer.Stream(media.Audio).Voice()) > 0 {
			l.post(call.Reanswered{Leg: l, Answer: answer})
			return
		}
	}
	l.post(call.OfferRefused{Leg: l, Err: call.NotAcceptable.Why("a call by IAX2 keeps its format")})
}

// Reply has nothing to tell: hold needs no answer (call.Leg).
func (l *leg) Reply(media.Description, error) {}

// Digit plays a digit to the party (call.Leg).
func (l *leg) Digit(d media.Digit) {
	l.x.mu.Lock()
	defer l.x.unlock()
	if l.stage == gone || !l.accepted {
		return
	}
	if d.Rune == '!' {
		l.x.control(frame.Flash)
		return
	}
	l.x.send(frame.Full{Type: frame.DTMFEnd, Subclass: frame.Subclass(d.Rune), Time: l.x.stamp()}, false)
}

// Flows gives the sound, in the place of its line (call.Leg).
func (l *leg) Flows() []media.Flow {
	l.x.mu.Lock()
	defer l.x.unlock()
	if l.released {
		return nil
	}
	flows := make([]media.Flow, len(l.offer.Streams))
	sound, picture := media.Flow(l.flow), media.Flow(nil)
	if l.pictures != nil {
		picture = l.pictures
	}
	for i := range flows {
		switch st := &l.offer.Streams[i]; {
		case st.Refused():
		case st.Kind == media.Audio:
			flows[i], sound = sound, nil
		case st.Kind == media.Video:
			flows[i], picture = picture, nil
		}
	}
	return flows
}

// Able is what the party can take (call.Leg).
func (l *leg) Able() media.Description {
	l.x.mu.Lock()
	defer l.x.unlock()
	return describe(l.can, l.sees)
}

// Release gives the media back (call.Leg).
func (l *leg) Release() {
	l.x.mu.Lock()
	defer l.x.unlock()
	if !l.released {
		l.stats, l.fared = l.flow.statistics(), l.flow.watch.Account()
		l.released = true
		l.flow.stop()
		l.x.flow.Store(nil)
		l.x.pictures.Store(nil)
	}
}

// Quality tells how the party's sound fares (call.Leg).
func (l *leg) Quality() quality.Account {
	l.x.mu.Lock()
	defer l.x.unlock()
	if l.released {
		return l.fared
	}
	return l.flow.watch.Account()
}

// Info describes the leg (call.Leg).
func (l *leg) Info() call.Info {
	l.x.mu.Lock()
	defer l.x.unlock()
	i := call.Info{
		Kind: "iax2", Party: l.account.ref, Number: l.number, Name: l.name, Device: l.device(),
		CallID: l.wireID(), CalledIn: l.calledIn, Stats: l.stats,
		Treatment: l.account.sound.Treatment(),
	}
	if l.x.path.peer.IsValid() {
		i.Remote = "iax2:" + l.x.path.peer.String()
	}
	if !l.released {
		i.Stats = l.flow.statistics()
	}
	if l.x.keys != nil {
		i.Encryption = "IAX2 AES-128"
	} else {
		i.Unencrypted = l.accepted && l.account.encryption == "wanted"
	}
	return i
}

func (l *leg) device() string {
	if l.account.trunk != nil {
		return l.account.trunk.Name
	}
	return contactOf(l.account.user, l.x.path.peer)
}

// wireID names the session as a trace does.
func (l *leg) wireID() string { return wireID(l.x.ours, l.x.path.peer) }
