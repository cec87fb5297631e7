// Package message brings text messages to extensions: to all their devices at once,
// or, when none takes it, later. It knows no protocol.
//
//	Send ─> route ─┬─> extension ─> each device (Carrier) ─> one took it: Taken
//	               │                     └─ none, or none registered ─> table ─> Kept
//	               └─> trunk (Trunks) ─> Taken or what it says
//	Registered ─> those that wait, in order, one after the other ─> taken ─> row gone
//
// A message that comes while others wait for its extension waits behind them. One
// that a device took is never offered to it again; one whose devices are
// still asked when it is kept is forgotten if one of them takes it late. Content
// passes as it is, byte for byte. Goroutines: one for each extension whose waiting
// messages are being delivered, at most maxDeliveries; Close ends them.
package message

import (
	"time"
)

// Bounds on what senders can make us keep, and what is answered beyond them.
const (
	// MaxBody bounds one message, so that it fits into a datagram with its headers.
	MaxBody = 32 << 10
	// MaxWaiting bounds the messages that wait for one extension: a holiday's.
	MaxWaiting = 200
	// MaxTotal bounds those of all extensions: 600 MB at the very worst, some MB in
	// life.
	MaxTotal = 20_000
	// MaxAge is how long one waits.
	MaxAge = 14 * 24 * time.Hour
	// maxDeliveries bounds the extensions that are delivered to at a time.
	maxDeliveries = 32
	// maxTrials bounds the messages of an extension that are offered to its devices
	// at a time; more wait behind them.
	maxTrials = 32
)

// Patience is how long a sender waits for a device before it is told that its
// message is kept: half of what a SIP client waits (RFC 3261 timer F).
const Patience = 15 * time.Second

// Message is a text, or whatever else its type says.
type Message struct {
	ID     string
	From   string // who sent it, in destination form: extension:101, trunk:load, server
	Number string // what the receiver is shown
	Name   string // likewise; may be empty
	// Private is a sender who asks not to be shown.
	Private bool
	To      string // the number that was dialled; within Carrier an extension's
	// Headers are what goes with the content unchanged: "Subject", "Content-Language"
	// and the like, by the names that mail and SIP share.
	Headers map[string]string
	Type    string // content type with its parameters
	Body    []byte
	// Sent is when it came, for a message that waited; zero for one that did not.
	Sent time.Time
	// Expires is when it is of no use any more; zero: as late as we keep it.
	Expires time.Time
	// Fleeting is one that is never kept: "Ada is typing" (RFC 3994).
	Fleeting bool
	// Hops is how many servers it may still pass.
	Hops int
}

// Verdict is what became of a message.
type Verdict uint8

// The verdicts.
const (
	Taken    Verdict = iota // a device or trunk has it
	Kept                    // it waits until a device registers
	Unknown                 // there is no such destination
	Absent                  // nobody takes it now, and it is not of the kind that waits
	Full                    // as many wait as may
	TooLarge                // above MaxBody
	Refused                 // no device, or no trunk, can take such a message; Result.Text says why
	Failed                  // it could not be kept
)

// Result is a verdict with words for people.
type Result struct {
	Verdict Verdict
	Text    string
}

// Answer is what a device says to a message.
type Answer uint8

// The answers.
const (
	Took   Answer = iota
	NotNow        // it is away or busy, or says nothing
	Cannot        // it takes no messages, or none of this type
)

// Carrier reaches devices: phone/sip is one. Its methods must not block.
type Carrier interface {
	// Devices names the devices of an extension that are registered now.
	Devices(extension string) []string
	// Deliver offers a message to a device and calls done once.
	Deliver(m *Message, device string, done func(Answer))
}

// Trunks reaches other phone systems.
type Trunks interface {
	// Forward sends a message to a number by a trunk and calls done once.
	Forward(m *Message, trunk, number string, done func(Result))
}
