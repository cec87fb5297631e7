package call

import (
	"errors"
	"fmt"
	"time"

	"tincan/phone/call/record"
	"tincan/phone/media/sdp"
)

// standingState is what a restart needs to go on with a call.
type standingState struct {
	ID          string      `json:"id"`
	From        Party       `json:"from"`
	Dialled     string      `json:"dialled"`
	Destination string      `json:"destination"`
	Start       time.Time   `json:"start"`
	Answered    time.Time   `json:"answered"`
	Legs        [2]legState `json:"legs"`
}

type legState struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Party  string `json:"party"`
	Device string `json:"device"`
	CallID string `json:"call_id"`
	Remote string `json:"remote"`
	State  []byte `json:"state"`
	InUse  []byte `json:"in_use"` // SDP
	Held   bool   `json:"held,omitempty"`
	Codec  string `json:"codec"`
	CodecB string `json:"codec_by"`
}

// save writes the standing call; done is told when it is kept or spooled. A
// store that is down does not keep a call from being answered.
func (c *Call) save(done func(error)) {
	if done == nil {
		if c.phase != standing {
			return
		}
		done = func(error) {}
	}
	s := standingState{
		ID: c.id, From: c.setup.From, Dialled: c.setup.Dialled, Destination: c.destination,
		Start: c.start, Answered: c.answered,
		Legs: [2]legState{stateOf(c.a, c.sides[0]), stateOf(c.b, c.sides[1])},
	}
	b, err := Encode(s)
	if err != nil { // cannot be: plain data
		c.x.cfg.Logger.Error("standing call cannot be written", "call", c.id, "error", err)
		done(err)
		return
	}
	c.x.cfg.Ledger.Stand(c.id, b, done)
}

// spliceTime is within which the next packet has come after a change: what the
// flows have told the phones since (SSRC, sequence, time) is then written too,
// so that a restart goes on from there.
const spliceTime = time.Second

type spliced struct{}

// changed writes the standing call after its dialogs or its media changed: now,
// and once more when the change has reached the media. A party that changes
// something all the time makes two writes a spliceTime at most.
func (c *Call) changed() {
	if c.splice == nil {
		c.save(nil)
		c.splice = time.AfterFunc(spliceTime, func() { c.actor.post(spliced{}) })
	}
}

func (c *Call) spliced() {
	c.splice = nil
	c.save(nil)
}

func stateOf(l Leg, s side) legState {
	i := l.Info()
	return legState{
		ID: l.ID(), Kind: i.Kind, Party: i.Party, Device: i.Device, CallID: i.CallID, Remote: i.Remote, State: l.State(), InUse: sdp.Write(s.inUse, sdp.Origin{}),
		Held: s.held, Codec: s.codec, CodecB: s.codecB,
	}
}

func (s legState) side(l Leg) (side, error) {
	inUse, _, err := sdp.Parse(s.InUse)
	return side{leg: l, local: inUse, inUse: inUse, held: s.Held, codec: s.Codec, codecB: s.CodecB}, err
}

// ErrUnreadable means that a standing call's state says nothing at all; whoever
// keeps it should record the call as interrupted.
var ErrUnreadable = errors.New("the standing call's state cannot be read")

// Adopt goes on with a call that stood when the process ended. What cannot be
// adopted is hung up and recorded as interrupted, but for ErrUnreadable.
func (x *Exchange) Adopt(id string, state []byte) error {
	var s standingState
	if err := Decode(state, &s); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	c := newCall(x, Setup{From: s.From, Dialled: s.Dialled})
	c.id, c.setup.CallID = id, id
	c.start, c.answered, c.destination, c.phase = s.Start, s.Answered, s.Destination, standing
	c.actor.hold() // a leg may speak before the other is there
	defer c.actor.release()
	if err := x.revive(c, s); err != nil {
		c.phase = over
		x.interrupted(c, s)
		return fmt.Errorf("standing call %s: %w", id, err)
	}
	c.publishSnapshot()
	if cause, ok := x.add(c); !ok {
		letGo(c.a, cause)
		letGo(c.b, cause)
		c.phase, c.a, c.b, c.forks = over, nil, nil, nil
		x.interrupted(c, s)
		return fmt.Errorf("standing call %s: %w", id, cause)
	}
	c.actor.post(adopted{})
	return nil
}

// revive makes both legs, or none.
func (x *Exchange) revive(c *Call, s standingState) error {
	var legs [2]Leg
	for i, l := range s.Legs {
		leg, err := x.cfg.Router.Revive(l.Kind, l.State, c)
		if err == nil {
			legs[i] = leg
			c.sides[i], err = l.side(leg)
		}
		if err != nil {
			for _, leg := range legs {
				if leg != nil {
					letGo(leg, Interrupted)
				}
			}
			return fmt.Errorf("revive %s: %w", l.Party, err)
		}
	}
	c.a, c.b = legs[0], legs[1]
	c.forks = []*fork{{leg: c.b, start: s.Start}}
	return nil
}

// letGo ends a leg that belongs to no call.
func letGo(l Leg, cause Cause) {
	l.Own(nil)
	l.Hangup(cause)
	l.Release()
}

type adopted struct{}

func (c *Call) adopted() {
	c.a.Prepare(c.sides[0].local)
	c.b.Prepare(c.sides[1].local)
	if !c.join() {
		c.finish(Interrupted.Why("media could not be joined again"), "server")
		return
	}
	c.a.Answer(c.sides[0].local) // the process may have ended before the caller heard
	c.b.Answer(c.sides[1].local)
	c.x.cfg.Logger.Info("call adopted after a restart", "call", c.id, "from", c.setup.From.Ref, "to", c.to())
	c.x.publish(c, "adopted", "")
}

func (x *Exchange) interrupted(c *Call, s standingState) {
	rec := record.Record{
		ID: c.id, Node: x.cfg.Node, Start: s.Start, Answer: s.Answered, End: time.Now(),
		From: s.From.Ref, FromName: s.From.Name, To: s.Destination, Dialled: s.Dialled,
		Cause: Interrupted.Kind, SIPCode: Interrupted.Code, EndedBy: "server",
	}
	for _, l := range s.Legs {
		rec.Legs = append(rec.Legs, record.Leg{
			ID: l.ID, Kind: l.Kind, Party: l.Party, Device: l.Device, CallID: l.CallID, Remote: l.Remote, Start: s.Start, Answer: s.Answered, End: rec.End,
			Cause: Interrupted.Kind, Code: Interrupted.Code, Codec: l.Codec, CodecBy: l.CodecB,
		})
	}
	x.cfg.Ledger.End(rec, func(error) {})
}
