// Package rtp is the wire format of media: RTP headers, RTCP reports and
// telephone events, read and rewritten in place. Bytes in, bytes out: no
// sockets, no state, no goroutines, and no allocation where packets pass.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---+-+-+-------+-+-------------+-------------------------------+
//	|V=2|P|X|  CC   |M|     PT      |           sequence            |
//	+---+-+-+-------+-+-------------+-------------------------------+
//	|                            timestamp                          |
//	+---------------------------------------------------------------+
//	|                              SSRC                             |
//	+---------------------------------------------------------------+
//	|  CSRC, 0 to 15 words | extension, when X | payload | padding  |
//	+---------------------------------------------------------------+
//
// (RFC 3550 5.1)
package rtp

import (
	"encoding/binary"
	"errors"
)

// HeaderLen is the length in bytes of a header without CSRC and extension.
const HeaderLen = 12

// Bits of the header's first two bytes.
const (
	version       = 2 << 6
	versionMask   = 3 << 6
	paddingBit    = 1 << 5
	extensionBit  = 1 << 4
	csrcMask      = 0x0f
	markerBit     = 1 << 7
	extensionHead = 4
)

// ErrMalformed is what parsers give for bytes that are not what they should
// be. It says no more, since strangers can cause it at any rate.
var ErrMalformed = errors.New("rtp: malformed packet")

// Header is what a relay needs of an RTP header.
type Header struct {
	PT     uint8 // 0 to 127
	Marker bool
	Seq    uint16
	Time   uint32 // ticks of the format's clock
	SSRC   uint32
}

// Kind tells what a datagram on a media port is (RFC 7983, with the range for
// RTCP of RFC 5761 4).
type Kind uint8

// Kinds of datagram.
const (
	Unknown Kind = iota
	Media        // RTP
	Control      // RTCP
	STUN
	ZRTP
	DTLS
)

// Classify looks at the first bytes of a datagram.
func Classify(b []byte) Kind {
	switch {
	case len(b) < 8:
		return Unknown
	case b[0]&versionMask == version:
		if b[1] >= 192 && b[1] <= 223 {
			return Control
		}
		return Media
	case b[0] < 4:
		return STUN
	case b[0]>>4 == 1 && binary.BigEndian.Uint32(b[4:]) == zrtpCookie:
		return ZRTP
	case b[0] >= 20 && b[0] <= 63:
		return DTLS
	}
	return Unknown
}

// zrtpCookie marks ZRTP messages (RFC 6189 5).
const zrtpCookie = 0x5a525450

// Parse reads the header of an RTP packet and finds its payload, without
// padding. The payload is a part of b. Its error is ErrMalformed.
func Parse(b []byte) (h Header, payload []byte, err error) {
	if len(b) < HeaderLen || b[0]&versionMask != version {
		return h, nil, ErrMalformed
	}
	start := HeaderLen + 4*int(b[0]&csrcMask)
	if b[0]&extensionBit != 0 {
		if len(b) < start+extensionHead {
			return h, nil, ErrMalformed
		}
		start += extensionHead + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	end := len(b)
	if b[0]&paddingBit != 0 {
		pad := int(b[end-1])
		if pad == 0 {
			return h, nil, ErrMalformed
		}
		end -= pad
	}
	if start > end {
		return h, nil, ErrMalformed
	}
	h = Header{
		PT:     b[1] &^ markerBit,
		Marker: b[1]&markerBit != 0,
		Seq:    binary.BigEndian.Uint16(b[2:]),
		Time:   binary.BigEndian.Uint32(b[4:]),
		SSRC:   binary.BigEndian.Uint32(b[8:]),
	}
	return h, b[start:end], nil
}

// Rewrite puts h over the header of the RTP packet b, which Parse has
// accepted: CSRC, extension, padding and payload stay as they are.
func Rewrite(b []byte, h Header) {
	_ = b[HeaderLen-1]
	b[1] = h.PT
	if h.Marker {
		b[1] |= markerBit
	}
	binary.BigEndian.PutUint16(b[2:], h.Seq)
	binary.BigEndian.PutUint32(b[4:], h.Time)
	binary.BigEndian.PutUint32(b[8:], h.SSRC)
}

// Put writes a header without CSRC and extension to the first HeaderLen bytes
// of b.
func Put(b []byte, h Header) {
	b[0] = version
	Rewrite(b, h)
}
