package media

import (
	"net/netip"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/quality"
)

// Stats is what is known of a flow's quality, at one moment.
type Stats struct {
	Way Way
	// NotKernel says why what the party says does not go the kernel's way, where
	// it could; empty: it does, or cannot.
	NotKernel string
	Remote    netip.AddrPort // where media goes
	Latched   bool           // media has come from there

	In, Out Count
	// Receiving and Sending are the formats of the last packets; zero: none.
	Receiving, Sending codec.Format
	Lost               int64         // from the party, by its sequence numbers; duplicates count against it
	Jitter             float64       // ms, from the party (RFC 3550 A.8)
	LastArrival        time.Duration // ago; negative: never heard

	// What the party says of what it hears, by RTCP.
	RTT       time.Duration // from here to there and back; 0: not known
	FarLost   int64
	FarLoss   float64 // share of the last interval, 0 to 1
	FarJitter float64 // ms

	// Suite names how media are encrypted between here and the party; "": not.
	Suite string

	Discarded quality.Discarded
}

// Count is media in one direction, without headers.
type Count struct {
	Packets, Octets uint64
}
