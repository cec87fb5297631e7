// Package opus is Opus for telephony (RFC 6716, RFC 7587), by libopus: one
// channel, packets of 10 to 60 ms, in-band copies for lost packets, silence
// that is not sent. It needs cgo; without it only Params are here.
//
//	PCM at 8, 12, 16, 24 or 48 kHz --Encoder--> TOC | frame | frame ... --Decoder--> PCM
//
// The rates of both ends are their own business: the RTP clock is 48000
// whatever they are, and a party that says opus/48000/2 is sent one channel
// (RFC 7587 4.1, 7). libopus keeps all state in one piece of memory without
// pointers into itself, which is here a Go slice: copied to clone, nothing to
// free. An Encoder or Decoder belongs to one goroutine at a time.
package opus
