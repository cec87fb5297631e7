package media

import (
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
)

// Type tells what a Packet carries.
type Type uint8

// Types of packet.
const (
	Media   Type = iota // the payload of a codec
	Event               // the payload of telephone-event (RFC 4733)
	Control             // an RTCP datagram; between RTP flows only
	Opaque              // ZRTP or STUN; between RTP flows only
)

// Packet is the unit of a flow: 10 to 60 ms of sound, a piece of a picture, a
// digit. It is lent for the time of one Deliver: whoever gets it may change it
// and must keep nothing of it.
type Packet struct {
	Type   Type
	Marker bool // a talkspurt begins, a picture ends
	// Format is, from a flow, the entry of what it Sends; to a flow, the
	// entry of what it Accepts. Nil for Control and Opaque.
	Format  *codec.Format
	Payload []byte
	// Time is the media time in ticks of Format.Clock, from any start, and
	// wraps.
	Time uint32
	// Arrival counts from the engine's start (Engine.Now).
	Arrival time.Duration
	// Source is the same as long as Time runs on unbroken. Paths set it.
	Source *Run

	// What only RTP knows.
	datagram []byte // with the header; nil when the packet never had one
	seq      uint16
	ssrc     uint32
	origin   *line // of Control: a copy of what its sender hears

	aside   bool // an event beside sound that is not relayed: has no place in a sequence
	retimed bool // an event whose clock differs from the sender's
	passed  bool // an event was handed on

	lasts uint32 // ticks of sound in it, of what is made here; 0: not known
}

// Run is one unbroken run of media, told from others by its address.
type Run struct{ _ byte }

func (p *Packet) header(pt uint8) rtp.Header {
	return rtp.Header{PT: pt, Marker: p.Marker, Seq: p.seq, Time: p.Time, SSRC: p.ssrc}
}

// Sink takes packets. Deliver must not block; a flow calls it from one
// goroutine at a time.
type Sink interface {
	Deliver(*Packet)
}

// Flow is media with one party. Its methods may be called by any goroutine.
type Flow interface {
	// Deliver sends a packet to the party.
	Deliver(*Packet)
	// Route says where what the party sends goes from now on; nil: nowhere.
	Route(Sink)
	// Terms says what was agreed with the party.
	Terms() Terms
}

// Terms is what was agreed with the party of a flow.
type Terms struct {
	Kind Kind
	// Sends lists what the party may send, the likeliest first; empty: it
	// never sends. Each has its own PT, by which the packets are told apart.
	Sends []codec.Format
	// Accepts lists what the party can be sent, the preferred first; empty:
	// it never listens.
	Accepts []codec.Format
	// Ptime is the length in ms of packets for the party; 0: 20.
	Ptime int
	// Pinned forbids everything but a transparent relay.
	Pinned bool
	// Clean is what is done to the sound that the party sends.
	Clean Clean

	steady bool        // packets come by the engine's clock: none is late or lost
	keys   func(Digit) // told of keys found in the sound; nil: they are not looked for
}
