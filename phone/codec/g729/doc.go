// Package g729 is ITU-T G.729 Annex A at 8 kbit/s (RFC 3551 4.5.6), by
// libbcg729: frames of 10 bytes for 10 ms at 8 kHz, and of 2 bytes (Annex B) for
// the noise between words. It is built with cgo and the tag g729 alone.
//
//	+----------+----------+-- ... --+---------+
//	| 10 bytes | 10 bytes |         | 2 bytes |  sound, and perhaps noise at the end
//	+----------+----------+-- ... --+---------+
//
// An Encoder or Decoder belongs to one goroutine at a time; its memory in the
// library is freed when it is garbage.
package g729
