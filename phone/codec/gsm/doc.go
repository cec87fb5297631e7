// Package gsm is GSM 06.10 full rate (RFC 3551 4.5.8), by libgsm: frames of 33
// bytes for 160 samples, 20 ms at 8 kHz. It needs cgo.
//
//	 4     36 bits   4 times: 56 bits
//	+----+----------+----------------------------------------+--
//	| 13 | spectrum | pitch, gain, grid, size, 13 pulses     | ...   one frame; a payload has some
//	+----+----------+----------------------------------------+--
//
// An Encoder or Decoder belongs to one goroutine at a time; its memory in the
// library is freed when it is garbage.
package gsm
