package frame

import (
	"net/netip"
	"time"
)

// Elements is what an IAX message says, the payload of a frame of Type IAX: a
// row of information elements (8.6), each of
//
//	 0                   1
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//	+---------------+---------------+------------------------
//	|  Which it is  |    Length     |  as many bytes ...
//	+---------------+---------------+------------------------
//
// A text, a set or an address is absent when it is empty; numbers of which 0
// has a meaning are Maybe.
//
// ParseElements gives text that is safe to show and to hand on: what is not
// UTF-8 has become "?", control characters are spaces, and it ends before the
// first zero byte. Slices borrow the datagram.
type Elements struct {
	// The call.
	CalledNumber  string
	CalledContext string
	DNID          string // the number that was dialled first
	RDNIS         string // who sent the call on
	CallingNumber string
	CallingName   string
	CallingANI    string
	Presentation  Maybe[uint8]  // Q.931 presentation and screening, 8.6
	TypeOfNumber  Maybe[uint8]  // Q.931, 8.6
	Transit       Maybe[uint16] // Q.931 transit network, 8.6
	ANI2          Maybe[uint32] // originating line information; not in the RFC
	Language      string        // "en"
	AutoAnswer    bool
	Version       uint16 // ProtocolVersion
	DateTime      DateTime
	Variables     []Variable // not in the RFC

	// Media. Append writes each as a pair: FORMAT and FORMAT2.
	Format     Format
	Capability Format
	Preference Preference
	Rates      Rates
	Hold       Maybe[string] // music on hold: its name, mostly empty

	// Who it is.
	Username      string
	Password      string // in the clear; nothing accepts it any more
	AuthMethods   AuthMethods
	Challenge     []byte // text in AUTHREQ and REGAUTH, a key in RTKEY
	MD5Result     string // 32 hex digits
	RSAResult     string // base64
	Encryption    Encryption
	EncryptionKey []byte
	CallToken     Maybe[[]byte] // empty: asks for one

	// Registration.
	ApparentAddress netip.AddrPort // where the other side sees us
	Refresh         Maybe[uint16]  // seconds
	MessageCount    Maybe[uint16]  // voicemail: old in the upper byte, new in the lower

	// How it went.
	Cause          string
	CauseCode      Maybe[uint8] // Q.931 (ITU-T Q.850)
	UnknownCommand Maybe[Command]
	Report         Maybe[Report]
	DialplanStatus Maybe[uint16]

	// Transfer.
	CallNumber uint16
	TransferID uint32

	// Provisioning of devices that are no longer made: read, never used.
	ADSI                Maybe[uint16]
	DeviceType          string
	ServiceIdent        string
	Provisioning        []byte
	AESProvisioning     []byte
	ProvisioningVersion Maybe[uint32]
	FirmwareVersion     Maybe[uint16]
	FirmwareBlock       Maybe[uint32]
	FirmwareData        Maybe[[]byte] // empty: the last
	OSPToken            []byte        // of a clearing house, ETSI TS 101 321; not in the RFC

	// Skipped counts elements that nobody has defined.
	Skipped int
}

// ProtocolVersion is the only one.
const ProtocolVersion = 2

// Maybe is a value that a message may lack.
type Maybe[T any] struct {
	Value   T
	Present bool
}

// Some is a value that is present.
func Some[T any](v T) Maybe[T] { return Maybe[T]{v, true} }

// Or gives the value, or other where it is lacking.
func (m Maybe[T]) Or(other T) T {
	if m.Present {
		return m.Value
	}
	return other
}

// AuthMethods is a set of ways to prove who one is (8.6).
type AuthMethods uint16

const (
	AuthPlain AuthMethods = 1 << 0 // refused: the password would be readable
	AuthMD5   AuthMethods = 1 << 1
	AuthRSA   AuthMethods = 1 << 2
)

// Encryption is a set of ways to seal frames (8.6).
type Encryption uint16

const (
	AES128    Encryption = 1 << 0
	RotateKey Encryption = 1 << 15 // the sender understands RTKEY; not in the RFC
)

// Rates is a set of sampling rates (8.6). An empty one means 8000.
type Rates uint16

const (
	Rate8000 Rates = 1 << iota
	Rate11025
	Rate16000
	Rate22050
	Rate44100
	Rate48000
)

// Dialplan status, of the element DPSTATUS (8.6).
const (
	DialplanExists      uint16 = 1 << 0
	DialplanCanExist    uint16 = 1 << 1
	DialplanNonExistent uint16 = 1 << 2
	DialplanRetainTone  uint16 = 1 << 14
	DialplanMoreDigits  uint16 = 1 << 15
)

// Variable is a name and value that a caller's server sends along. Values
// longer than an element are sent in pieces and joined.
type Variable struct{ Name, Value string }

// Report is what a receiver saw of a call's sound (8.6), as RTCP
// would say it.
type Report struct {
	Jitter      uint32 // as RFC 3550 6.4.1 has it, in ms
	LossPercent uint8
	Lost        uint32 // frames, 24 bits
	Frames      uint32 // received
	Delay       uint16 // of the jitter buffer at most, ms
	Dropped     uint32 // frames that came too late
	Disordered  uint32 // frames that came out of order
}

// DateTime is a local time without its zone, in steps of two seconds (8.6):
//
//	 year - 2000  month   day    hour    minute   second / 2
//	+-----------+-------+-------+-------+--------+----------+
//	|   7 bits  |   4   |   5   |   5   |   6    |    5     |
//	+-----------+-------+-------+-------+--------+----------+
type DateTime uint32

// NewDateTime gives t as its location's clocks show it. Years run from 2000 to
// 2127.
func NewDateTime(t time.Time) DateTime {
	return DateTime(t.Year()-2000)&0x7f<<25 | DateTime(t.Month())<<21 | DateTime(t.Day())<<16 |
		DateTime(t.Hour())<<11 | DateTime(t.Minute())<<5 | DateTime(t.Second()/2)
}

// In gives the moment at which the clocks of loc show d. Fields beyond their
// range carry over, as time.Date has it.
func (d DateTime) In(loc *time.Location) time.Time {
	return time.Date(2000+int(d>>25), time.Month(d>>21&0xf), int(d>>16&0x1f),
		int(d>>11&0x1f), int(d>>5&0x3f), int(d&0x1f)*2, 0, loc)
}
