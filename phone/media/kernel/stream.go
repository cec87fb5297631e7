package kernel

import (
	"errors"
	"fmt"
	"net/netip"
)

// Stream is what is carried from one party to another: RTP that comes to a port
// of ours from one address, and leaves from another port of ours.
type Stream struct {
	Port   uint16         // ours, even, that the sender speaks to
	Local  netip.Addr     // ours likewise
	Remote netip.AddrPort // the sender
	From   netip.AddrPort // ours, towards the receiver
	To     netip.AddrPort // the receiver

	SSRC    uint32 // of the sender; others' packets go up
	SSRCOut uint32 // that the receiver hears
	SeqOff  uint16 // added to sequence numbers
	TimeOff uint32 // added to RTP times

	// Payloads are the types that are carried, of one clock: as they come, and
	// as they leave. All others go up.
	Payloads []Payload
	Clock    uint32 // ticks a second

	// Highest is the extended sequence number of the foremost packet so far:
	// counting goes on from it, and from Jitter.
	Highest, Jitter uint32
	// Standing: go on with what an earlier process left, or not at all.
	Standing bool
}

// Payload is a type of payload by the sender's number and the receiver's.
type Payload struct{ In, Out uint8 }

// Counts is what a stream has carried.
type Counts struct {
	Packets, Octets uint64 // octets of payload
	// At is the moment of the foremost packet, CLOCK_MONOTONIC in ns; 0: nothing
	// was carried yet. Time and Highest are that packet's, as it came.
	At            int64
	Time, Highest uint32
	Base          uint32 // Highest when the stream was taken over
	Jitter        uint32 // ticks times 16 (RFC 3550 A.8)
	Runs          uint32 // of packets that lack, one after the other
}

// ErrNotStanding says that no earlier process left what was asked for.
var ErrNotStanding = errors.New("no earlier process left this stream")

// check tells why a stream cannot be carried.
func (st *Stream) check() error {
	four := st.Remote.Addr().Is4()
	for _, a := range []netip.Addr{st.Remote.Addr(), st.Local, st.From.Addr(), st.To.Addr()} {
		switch {
		case !a.IsValid() || a.IsUnspecified() || a.IsMulticast():
			return fmt.Errorf("%v is no address of one host", a)
		case a.Zone() != "" || a.IsLinkLocalUnicast():
			return fmt.Errorf("%v is good on one link only", a)
		case a.Is4() != four:
			return fmt.Errorf("one party speaks IPv4, the other IPv6")
		}
	}
	if st.Remote.Port() == 0 || st.From.Port() == 0 || st.To.Port() == 0 {
		return fmt.Errorf("port 0 from %v by %v to %v", st.Remote, st.From, st.To)
	}
	return nil
}

func (st *Stream) payloads() (table [128]uint8) {
	for i := range table {
		table[i] = goesUp
	}
	for _, p := range st.Payloads {
		table[p.In&127] = p.Out & 127
	}
	return table
}
