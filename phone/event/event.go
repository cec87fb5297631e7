// Package event has the types of what happens in the phone server, so that
// anybody can subscribe without knowing who publishes. Types alone.
package event

import (
	"net/netip"
	"time"
)

// Call is a step in a call's life.
type Call struct {
	Time   time.Time `json:"time"`
	ID     string    `json:"id"`
	Step   string    `json:"step"` // "incoming", "ringing", "early", "answered", "unencrypted", "held", "resumed", "moved", "ended"
	From   string    `json:"from"`
	To     string    `json:"to"`
	Detail string    `json:"detail,omitempty"`
}

// Registration is a device coming, staying or going.
type Registration struct {
	Time      time.Time `json:"time"`
	Extension string    `json:"extension"`
	Contact   string    `json:"contact"`
	Step      string    `json:"step"` // "registered", "refreshed", "removed", "expired"
}

// Trunk is a trunk being registered, refused, up or down: a state of `tincan
// trunks`.
type Trunk struct {
	Time   time.Time `json:"time"`
	Trunk  string    `json:"trunk"`
	State  string    `json:"state"`
	Detail string    `json:"detail,omitempty"` // why
}

// Refused is a request that was turned away: what the guard counts.
type Refused struct {
	Time   time.Time      `json:"time"`
	Peer   netip.AddrPort `json:"peer"`
	Method string         `json:"method"`
	User   string         `json:"user"`
	Why    string         `json:"why"`
}

// HeldBack is an address that sends more than the gate lets in. It is told at most
// once a minute for each address.
type HeldBack struct {
	Time     time.Time      `json:"time"`
	Peer     netip.AddrPort `json:"peer"`     // from where the latest came
	Messages uint64         `json:"messages"` // held back since it was last told
}

// Message is a SIP message on its way, as text with its secrets masked.
type Message struct {
	Time      time.Time      `json:"time"`
	Out       bool           `json:"out"`
	Transport string         `json:"transport"`
	Local     netip.AddrPort `json:"local"`
	Peer      netip.AddrPort `json:"peer"`
	SIPCallID string         `json:"sip_call_id"`
	Text      string         `json:"text"`
}

// Text is a text message that was taken in. What it says is for its receiver.
type Text struct {
	Time  time.Time `json:"time"`
	ID    string    `json:"id,omitempty"`
	From  string    `json:"from"`
	To    string    `json:"to"`
	Type  string    `json:"type"`
	Bytes int       `json:"bytes"`
	Step  string    `json:"step"` // "taken", "kept" or "refused"
}

// Store is the store going down or coming up again.
type Store struct {
	Time   time.Time `json:"time"`
	Up     bool      `json:"up"`
	Detail string    `json:"detail"`
}

// Sound is something that could not be played or recorded, or a recording that is
// made.
type Sound struct {
	Time    time.Time     `json:"time"`
	Call    string        `json:"call"`
	Step    string        `json:"step"` // "failed" or "recorded"
	File    string        `json:"file,omitempty"`
	Seconds float64       `json:"seconds,omitempty"` // of a recording
	Lost    time.Duration `json:"lost,omitempty"`    // of it, silence as the disk was too slow
	Detail  string        `json:"detail,omitempty"`
}

// Quality is something that users hear of a call that begins or is over.
type Quality struct {
	Time   time.Time `json:"time"`
	Call   string    `json:"call"`
	Party  string    `json:"party"`
	Kind   string    `json:"kind"` // no-audio, not-heard, loss-in, loss-out, jitter, delay
	Step   string    `json:"step"` // "begins" or "over"
	Detail string    `json:"detail,omitempty"`
}

// Speaking is someone in a conference beginning or ending to speak.
type Speaking struct {
	Time time.Time `json:"time"`
	Room string    `json:"room"`
	Call string    `json:"call"`
	On   bool      `json:"on"`
}
