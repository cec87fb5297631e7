// Package subscription is the notifier of RFC 6665: who watches what, and when
// they are told. It knows neither messages nor sockets; phone/sip brings
// SUBSCRIBEs here and carries the NOTIFYs out.
//
//	SUBSCRIBE ─> Subscribe, Refresh ─> table (written in groups) ─> answer ─> NOTIFY
//	state changes ─> Changed ─> subscriptions of the resource are due
//	due (a heap by time) ─> Run ─> Package.Document ─> Config.Send ─> outcome
//
//	            granted                 Expires: 0, expired, refused NOTIFY,
//	SUBSCRIBE ──────────> active ──────> resource or watcher gone ──> last NOTIFY ─> gone
//
// A subscription is a struct of about 1 kB and an entry of the heap: no goroutine
// and no timer of its own. Run is the only goroutine; it builds documents and
// sends. At most one NOTIFY of a subscription is on its way; changes meanwhile, and
// those that come sooner than the package's pace allows, are told together in the
// next one. Documents are made when they are sent, so what is told is what is so.
package subscription

import (
	"net/netip"
	"time"
)

// Bounds, and the answers that say so.
const (
	// MinExpires is the shortest subscription; less gets 423 (RFC 6665 4.2.1.1).
	MinExpires = time.Minute
	// MaxExpires is the longest; more is cut. A phone that went without a word is
	// noticed at the next change at the latest, so an hour costs little.
	MaxExpires = time.Hour
	// MaxTotal bounds all subscriptions, some 20 MB; then 503.
	MaxTotal = 20_000
	// MaxWatcher bounds those of one extension's devices together; then 403.
	MaxWatcher = 4000
	// MaxDevice bounds those of one device: several hundred lamps, the same again
	// from before it was restarted, and room; then 403.
	MaxDevice = 1000
	// MaxMembers bounds a list, so that its full state fits into a datagram.
	MaxMembers = 50
	// slowest bounds what a subscriber may ask to be spared (RFC 6446 max-rate).
	slowest = time.Minute
	// quickest bounds how often it may ask to be told what it knows (min-rate).
	quickest = 10 * time.Second
	// maxHold bounds a Retry-After to a NOTIFY.
	maxHold = 5 * time.Minute
)

// Package is one kind of state that can be watched (RFC 6665 7). Its methods are
// called from any goroutine, must not block, and must not call the Manager.
type Package interface {
	// Name is the word in Event.
	Name() string
	// Types are the content types of its documents, its own choice first.
	Types() []string
	// Find says whether watcher, an extension, may watch the resource.
	Find(watcher, resource string) *Refusal
	// Document gives the state of a resource. No body: there is nothing to say.
	Document(View) []byte
	// Pace is the shortest time between two NOTIFYs of one subscription.
	Pace() time.Duration
}

// View is what a document is made for.
type View struct {
	Resource string // number of an extension
	Entity   string // its URI as the subscriber wrote it
	Watcher  string // the extension that is told
	Type     string // one of the package's Types
	Version  uint32 // counts the documents of a subscription from 0; a restart skips some
}

// Refusal is an answer to a SUBSCRIBE other than 200.
type Refusal struct {
	Code   int
	Reason string
	Header [2]string // one more header; empty: none
}

// Dialog is what a subscription's NOTIFYs are sent within (RFC 3261 12).
type Dialog struct {
	CallID    string   `json:"call_id"`
	RemoteTag string   `json:"remote_tag"`
	Local     string   `json:"local"`  // the URI that was subscribed to
	Remote    string   `json:"remote"` // the subscriber's
	Target    string   `json:"target"` // its Contact
	Routes    []string `json:"routes,omitempty"`
	Way       Way      `json:"way"`
}

// Way is where the subscriber was heard last.
type Way struct {
	Transport string         `json:"transport"`
	Local     netip.AddrPort `json:"local"`
	Remote    netip.AddrPort `json:"remote"`
	Flow      string         `json:"flow,omitempty"` // the connection
	Device    string         `json:"device,omitempty"`
	Heard     time.Time      `json:"heard"`
}

// Ask is a SUBSCRIBE.
type Ask struct {
	Event   string
	ID      string // Event's id parameter
	User    string // whom or what it is for
	Watcher string // the extension that asks, proven
	Device  string // which of its devices
	Expires time.Duration
	Default bool // it said no Expires
	Accept  []string
	Lists   bool // Supported: eventlist (RFC 4662)
	// MaxRate and MinRate are RFC 6446's, in NOTIFYs a second; 0: none.
	MaxRate, MinRate float64
	Seq              uint32
	Dialog           Dialog
}

// Grant is what a 200 says.
type Grant struct {
	Tag     string
	Expires time.Duration
	List    bool
}

// Reasons of RFC 6665 4.1.3 and 4.2.2.
const (
	timedOut   = "timeout"
	noResource = "noresource"
	rejected   = "rejected"
)

// Notify is one NOTIFY to be sent.
type Notify struct {
	Tag     string // ours
	Seq     uint32
	Watcher string
	Dialog  Dialog
	Event   string        // with its id
	Left    time.Duration // until it expires, when Reason is empty
	Reason  string        // why it ends
	Pace    time.Duration // a max-rate that was asked for; 0: none
	List    bool
	Type    string
	Body    []byte
}

// Outcome is what became of a NOTIFY.
type Outcome struct {
	Verdict Verdict
	After   time.Duration // of Later
}

// Verdict is the kind of an Outcome.
type Verdict uint8

// The verdicts.
const (
	Taken       Verdict = iota
	Refused             // the subscription is over (RFC 6665 4.2.2, RFC 5057 5.1)
	Later               // the subscriber asks for patience
	Unreachable         // there is no way now; it is told when its device registers
)
