// Package secure encrypts media and checks whom it comes from: SRTP and SRTCP
// (RFC 3711), keys in descriptions (SDES, RFC 4568), and keys by a handshake
// (DTLS-SRTP, RFC 5763 and 5764).
//
//	party ── SRTP ──> Session.Unprotect ──> RTP ─ a flow ─ RTP ──> Session.Protect ── SRTP ──> party
//	                     | tag, replay window                          | key, place in the stream
//	                     v                                             v
//	              ErrForged, ErrReplayed                    packet of the same header
//
//	 0                   1                   2                   3
//	+---------------------------------------------------------------+
//	| RTP header, in the clear                                      |
//	+---------------------------------------------------------------+
//	| payload, encrypted                                            |
//	+---------------------------------------------------------------+
//	| MKI, where it was agreed | tag: 10, 4 or 16 bytes over all    |
//	+---------------------------------------------------------------+
//
// A sequence number has 16 bits, the place of a packet 48: the upper 32 are
// counted at each end and never sent, so that a restart must know them
// (Position). Each party has keys of its own with the server; what is bridged is
// decrypted and encrypted again.
//
// There are no goroutines but those of a Handshake, and no locks but its: the
// flow that owns a Session guards it. Keys print as the name of their suite.
package secure
