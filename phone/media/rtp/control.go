package rtp

import "encoding/binary"

// Types of RTCP packet (RFC 3550 12.1, RFC 4585 6.1, RFC 3611 2).
const (
	typeSR    = 200
	typeRR    = 201
	typeSDES  = 202
	typeBYE   = 203
	typeAPP   = 204
	typeRTPFB = 205
	typePSFB  = 206
	typeXR    = 207
)

const (
	controlHead = 4  // version, count, type, length
	ssrcLen     = 4  // an SSRC
	senderLen   = 20 // the sender information of an SR
	blockLen    = 24 // a report block
	formatNACK  = 1  // of RTPFB: lists sequence numbers (RFC 4585 6.2.1)
	formatFIR   = 4  // of PSFB: lists SSRCs (RFC 5104 4.3.1)
)

// Compound is an RTCP datagram, one packet or several, that was found well-formed. It is a view
// of the datagram's bytes, and changing it changes them.
type Compound []byte

// ParseControl checks that b is a chain of RTCP packets whose lengths and
// counts fit (RFC 3550 A.2). It takes reduced-size packets (RFC 5506) too. Its
// error is ErrMalformed.
func ParseControl(b []byte) (Compound, error) {
	if len(b) < controlHead+ssrcLen {
		return nil, ErrMalformed
	}
	for rest := b; len(rest) > 0; {
		n := controlLen(rest)
		if n == 0 || !fits(rest[:n]) {
			return nil, ErrMalformed
		}
		rest = rest[n:]
	}
	return Compound(b), nil
}

// controlLen gives the length in bytes of the packet that rest begins with, or
// 0 when it does not fit.
func controlLen(rest []byte) int {
	if len(rest) < controlHead || rest[0]&versionMask != version {
		return 0
	}
	n := controlHead + 4*int(binary.BigEndian.Uint16(rest[2:]))
	if n > len(rest) {
		return 0
	}
	return n
}

// fits tells whether a packet is as long as its type and count need.
func fits(p []byte) bool {
	count := int(p[0] & 0x1f)
	body := len(p) - controlHead
	switch p[1] {
	case typeSR:
		return body >= ssrcLen+senderLen+blockLen*count
	case typeRR:
		return body >= ssrcLen+blockLen*count
	case typeBYE:
		return body >= ssrcLen*count
	case typeRTPFB, typePSFB:
		return body >= 2*ssrcLen
	case typeAPP, typeXR:
		return body >= ssrcLen
	}
	return true
}

// Visitor is told the parts of a compound packet, in order; each member may be
// nil. The pointers are into the datagram.
type Visitor struct {
	// SSRC is a stream's number wherever it stands for its sender.
	Sender func(ssrc []byte)
	// Target is the number of the stream that is reported on.
	Target func(ssrc []byte)
	// Info is the sender information of an SR.
	Info func(SenderInfo)
	// Block is a report block of an SR or RR; Target is not called for it.
	Block func(Block)
	// Seq is a sequence number in a negative acknowledgement of target.
	Seq func(target, seq []byte)
	// Picture is a request for a whole picture: PLI, FIR.
	Picture func()
	// Metrics is a VoIP metrics block of an XR; Target is not called for it.
	Metrics func(Metrics)
}

// Visit walks over the packets.
func (c Compound) Visit(v *Visitor) {
	for rest := []byte(c); len(rest) > 0; {
		n := controlLen(rest)
		v.packet(rest[:n])
		rest = rest[n:]
	}
}

func (v *Visitor) packet(p []byte) {
	count, body := int(p[0]&0x1f), p[controlHead:]
	switch p[1] {
	case typeSR:
		call(v.Sender, body[:ssrcLen])
		if v.Info != nil {
			v.Info(SenderInfo(body[ssrcLen:][:senderLen]))
		}
		v.blocks(body[ssrcLen+senderLen:], count)
	case typeRR:
		call(v.Sender, body[:ssrcLen])
		v.blocks(body[ssrcLen:], count)
	case typeSDES:
		v.chunks(body, count)
	case typeBYE:
		for i := range count {
			call(v.Sender, body[i*ssrcLen:][:ssrcLen])
		}
	case typeAPP:
		call(v.Sender, body[:ssrcLen])
	case typeXR:
		call(v.Sender, body[:ssrcLen])
		v.extended(body[ssrcLen:])
	case typeRTPFB, typePSFB:
		v.feedback(p, body)
	}
}

func call(f func([]byte), b []byte) {
	if f != nil {
		f(b)
	}
}

func (v *Visitor) blocks(b []byte, count int) {
	if v.Block == nil {
		return
	}
	for i := range count {
		v.Block(Block(b[i*blockLen:][:blockLen]))
	}
}

// chunks finds the SSRC of each source description: a chunk ends with a null
// item and is padded to a word (RFC 3550 6.5).
func (v *Visitor) chunks(b []byte, count int) {
	at := 0
	for range count {
		if at+ssrcLen > len(b) {
			return
		}
		call(v.Sender, b[at:][:ssrcLen])
		at += ssrcLen
		for at+1 < len(b) && b[at] != 0 {
			at += 2 + int(b[at+1])
		}
		at = at/4*4 + 4
	}
}

func (v *Visitor) feedback(p, body []byte) {
	call(v.Sender, body[:ssrcLen])
	target := body[ssrcLen:][:ssrcLen]
	entries := body[2*ssrcLen:]
	format := p[0] & 0x1f
	if p[1] == typePSFB && (format == formatPLI || format == formatFIR) && v.Picture != nil {
		v.Picture()
	}
	switch {
	case p[1] == typeRTPFB && format == formatNACK && v.Seq != nil:
		for ; len(entries) >= 4; entries = entries[4:] {
			v.Seq(target, entries[:2])
		}
	case p[1] == typePSFB && format == formatFIR:
		for ; len(entries) >= 8; entries = entries[8:] {
			call(v.Target, entries[:ssrcLen])
		}
	}
	call(v.Target, target)
}

// WithoutExtended removes the packets of extended reports (RFC 3611), whose blocks
// name sequence numbers that mean nothing once a stream is renumbered. It
// works in place and gives what is left.
func (c Compound) WithoutExtended() Compound {
	kept := c[:0]
	for rest := []byte(c); len(rest) > 0; {
		n := controlLen(rest)
		if rest[1] != typeXR {
			kept = append(kept, rest[:n]...)
		}
		rest = rest[n:]
	}
	return kept
}
