// Package speex is Speex (RFC 5574) in its three bands, by libspeex: frames of
// 20 ms at 8, 16 or 32 kHz, some in a payload. Encoder and Decoder need cgo.
//
//	+-+----+-----------------+-+---+-------------+-- ... --+-+----+------+
//	|0|mode| 8 kHz layer     |1|sub|16 kHz layer | frames  |0|1111|padding|
//	+-+----+-----------------+-+---+-------------+-- ... --+-+----+------+
//
// The library writes to the standard error when a stranger sends it nonsense,
// so payloads are walked first (walk.go) and only whole ones reach it. An
// Encoder or Decoder belongs to one goroutine at a time; its memory in the
// library is freed when it is garbage.
package speex
