// Package record keeps what calls leave behind: a record with every leg once a
// call has ended, and, while an answered call stands, what a restart needs to go
// on with it.
//
//	answered, re-INVITE ─> Stand ─> record_place, one row ──after a restart──> Standing
//	ended ──────────────> End ───> record_call; the row is the next call's
//	start (unreadable)  ─> Interrupt ─> the same, with cause "interrupted"
//
// A call stands as long as it has a row and no record, so that one which was
// killed with the process is either recorded as ended or still standing: never
// both, never neither. There are no goroutines; done functions come from the
// store's writer and must not block.
package record

import (
	"time"

	"tincan/phone/media/quality"
)

// Record is a call that ended. Times in it are kept to the microsecond; a zero
// time means that it did not happen.
type Record struct {
	ID       string    `json:"id"` // sorts by Start
	Node     string    `json:"node,omitempty"`
	Start    time.Time `json:"start"`
	Answer   time.Time `json:"answer,omitzero"`
	End      time.Time `json:"end"`
	From     string    `json:"from"` // destination, such as extension:101
	FromName string    `json:"from_name,omitempty"`
	Dialled  string    `json:"dialled,omitempty"`
	To       string    `json:"to,omitempty"` // destination
	// Cause is in words: normal, busy, no-answer, cancelled, rejected, unreachable,
	// media-timeout, interrupted, failed, ...
	Cause string `json:"cause"`
	// Detail says more of the cause, for people: what was tried, who refused what.
	Detail  string `json:"detail,omitempty"`
	SIPCode int    `json:"sip_code,omitempty"`
	EndedBy string `json:"ended_by,omitempty"` // caller, callee or server
	Legs    []Leg  `json:"legs,omitempty"`
}

// Leg is one party's side of the call.
type Leg struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`  // sip or app
	Party      string    `json:"party"` // destination
	Device     string    `json:"device,omitempty"`
	CallID     string    `json:"call_id,omitempty"` // SIP's
	Remote     string    `json:"remote,omitempty"`  // where its signalling came from
	Start      time.Time `json:"start"`
	Answer     time.Time `json:"answer,omitzero"`
	End        time.Time `json:"end"`
	Cause      string    `json:"cause,omitempty"`
	Code       int       `json:"code,omitempty"`
	Codec      string    `json:"codec,omitempty"`
	CodecBy    string    `json:"codec_by,omitempty"`   // who decided, in words
	Encryption string    `json:"encryption,omitempty"` // how its sound was, in words; "": not
	PacketsIn  uint64    `json:"packets_in"`           // from the party
	PacketsOut uint64    `json:"packets_out"`
	Lost       uint64    `json:"lost"`      // of those from the party
	JitterMS   float64   `json:"jitter_ms"` // RFC 3550 A.8
	// Quality is how its sound fared; nil: too short to say.
	Quality *quality.Account `json:"quality,omitempty"`
}

// Interrupted is the cause of a call that the process did not see end.
const Interrupted = "interrupted"
