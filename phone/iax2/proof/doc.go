// Package proof has the secrets of IAX2: tokens that prove where a stranger is,
// answers to challenges, and the sealing of frames (RFC 5456 6.1.4, 6.1.7; the
// tokens came later). Bytes and numbers alone: no sockets, no goroutines, and
// nothing is kept of a stranger.
//
//	NEW, empty CALLTOKEN ──► Tokens.Issue ──► CALLTOKEN, token
//	NEW, token           ──► Tokens.Valid ──► a call number is given out
//
//	AUTHREQ, Challenge   ──► Answer or Sign ──► AUTHREP, the result
//	challenge and secret ──► SessionKey ──► Cipher ──► every frame from then on
//
// MD5, SHA-1 and keys of 1024 bits are what the protocol has; none of them
// would be chosen today. Long random secrets make the best of it.
package proof
