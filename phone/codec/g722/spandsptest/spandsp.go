//go:build cgo && spandsp

// Package spandsptest is another's G.722, libspandsp's, to compare ours with. It
// is a package of its own because tests may not use cgo, and is built under
// the tag spandsp alone, so that nobody else needs the library.
package spandsptest

// #cgo LDFLAGS: -lspandsp
// #include <stdint.h>
// #include <stdbool.h>
// #include <stdlib.h>
// #include <spandsp.h>
import "C"

import "unsafe"

const bitRate = 64000

// Encode gives the bytes of pcm, of an even number of samples at 16 kHz, as a
// new encoder writes them.
func Encode(pcm []int16) []byte {
	if len(pcm) == 0 {
		return nil
	}
	s := C.g722_encode_init(nil, bitRate, 0)
	defer C.g722_encode_free(s)
	out := make([]byte, len(pcm)/2)
	n := C.g722_encode(s, (*C.uint8_t)(&out[0]), (*C.int16_t)(&pcm[0]), C.int(len(pcm)))
	return out[:n]
}

// Decode gives the samples of data as a new decoder finds them.
func Decode(data []byte) []int16 {
	if len(data) == 0 {
		return nil
	}
	s := C.g722_decode_init(nil, bitRate, 0)
	defer C.g722_decode_free(s)
	out := make([]int16, 2*len(data))
	n := C.g722_decode(s, (*C.int16_t)(unsafe.Pointer(&out[0])), (*C.uint8_t)(&data[0]), C.int(len(data)))
	return out[:n]
}
