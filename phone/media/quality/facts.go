package quality

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Facts are what a flow knows at a moment. Counters are totals since its beginning,
// times since the same epoch as the moment.
type Facts struct {
	Party string // as people call it: 102
	Codec string // of what it sends, else of what it is sent
	Ptime time.Duration

	// Should: it ought to be sending, and somebody to hear it, Since then.
	Should bool
	Since  time.Duration
	// Pauses: it may send nothing while nobody speaks, as was agreed.
	Pauses bool

	Received uint64
	Lost     int64  // by sequence numbers
	Runs     uint64 // of losses one after the other
	Jitter   float64
	Heard    time.Duration // last sound of it
	Ever     bool

	Sent uint64
	// By its reports: a share of its last interval, ms, and when it last reported on
	// what it hears, and at all; 0: never.
	FarLoss           float64
	FarJitter         float64
	FarAt, ReportedAt time.Duration
	RTT               time.Duration
	Reported          *Reported

	// What came and was not taken, with an example.
	Strangers uint64
	Stranger  netip.AddrPort
	Unknown   uint64 // payload type
	UnknownPT uint8
	Unread    uint64 // could not be decrypted

	// Led: its way is found by ICE, and addresses that were named say nothing.
	Led   bool
	Told  netip.AddrPort // where the party was told to send
	Named netip.AddrPort // where it said that it receives
	Hosts []netip.Addr   // where its signalling comes from
}

// private tells addresses that mean nothing outside their own network.
func private(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || cgnat.Contains(a)
}

// cgnat is the address space that carriers share (RFC 6598).
var cgnat = netip.MustParsePrefix("100.64.0.0/10")

// outside tells whether the party's signalling comes from a public address.
func (f *Facts) outside() bool {
	return slices.ContainsFunc(f.Hosts, func(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() && !private(a) })
}

// unreachable tells whether the party named an address that only its own network
// knows, and sent nothing by which its real one would be known.
func (f *Facts) unreachable() bool {
	return !f.Led && !f.Ever && private(f.Named.Addr()) && f.outside()
}

// silence explains why nothing is heard of a party.
func (f *Facts) silence() string {
	never := "audio from " + f.Party + " never arrived: "
	switch {
	case f.Unread > 0:
		return "audio from " + f.Party + " cannot be decrypted: its keys are not those that it sent; hang up and call again, and look for a device between that changes calls"
	case f.Unknown > 0:
		return fmt.Sprintf("audio from %s is of payload type %d, which was not agreed: its list of codecs is wrong; leave one codec in its settings", f.Party, f.UnknownPT)
	case f.Strangers > 0:
		return fmt.Sprintf("audio for this call comes from %s, which is not where %s is: %s was named; its network has two ways out, or somebody else sends", f.Stranger, f.Party, f.Named)
	case f.Ever && f.ReportedAt > f.Heard:
		return "audio from " + f.Party + " stopped, but it still reports: it is muted in a way that sends nothing, or its microphone is gone"
	case f.Ever:
		return "audio from " + f.Party + " stopped: its network is gone, or it has moved to another"
	case private(f.Told.Addr()) && f.outside() && !f.Led:
		return fmt.Sprintf("%sits packets go to %s, a private address: give this server's public address as [sip] external", never, f.Told.Addr())
	case f.ReportedAt > 0:
		return never + "it sends reports but no sound: its microphone is off or not allowed"
	case f.Led:
		return never + "nothing has come by any way that ICE tried: a firewall on its side stops UDP; a TURN server, or ICE over TCP, would pass it"
	}
	return fmt.Sprintf("%sno packet has come to port %d: a firewall or router on the way stops UDP; open the ports of [rtp], and those of the phone's network", never, f.Told.Port())
}

// deafness explains why a party hears nothing.
func (f *Facts) deafness() string {
	if f.unreachable() {
		return fmt.Sprintf("audio to %s goes to %s, a private address that it named, and nothing came from it by which its real one would be known: turn its own NAT settings (STUN, external address) off or put them right", f.Party, f.Named.Addr())
	}
	return fmt.Sprintf("audio to %s does not arrive, as its reports say: a firewall or router on its side stops UDP from here", f.Party)
}
