//go:build cgo

package opus

// #cgo LDFLAGS: -lopus -lm
// #cgo noescape opus_decode
// #cgo nocallback opus_decode
// #cgo noescape tincan_copies
// #cgo nocallback tincan_copies
//
// #include <opus/opus.h> // Debian: libopus-dev
//
// // tincan_copies tells how many samples of a lost packet the packet after it
// // holds: 0 when none. The flag is behind the voice activity flags of the SILK
// // frames, which are the first bits of the first frame (RFC 6716 4.2.3, 4.2.4).
// static int tincan_copies(const unsigned char *data, opus_int32 n, opus_int32 rate) {
//   const unsigned char *frames[48];
//   opus_int16 sizes[48];
//   if (data[0] & 0x80) // CELT alone
//     return 0;
//   if (opus_packet_parse(data, n, 0, frames, sizes, 0) < 1 || sizes[0] < 2)
//     return 0;
//   int ms = opus_packet_get_samples_per_frame(data, 1000);
//   int silk = ms > 20 ? ms / 20 : 1;
//   int flags = frames[0][0] >> (7 - silk) & 1;
//   if (opus_packet_get_nb_channels(data) == 2)
//     flags |= frames[0][0] >> (6 - 2 * silk) & 1;
//   return flags ? opus_packet_get_samples_per_frame(data, rate) : 0;
// }
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// Decoder decodes one stream. Parties may send two channels; they are mixed.
type Decoder struct {
	state []uint64 // an OpusDecoder
	rate  int
	rest  [mostRate / 400]int16 // 2.5 ms, of which dst had no room for all
}

// NewDecoder makes a decoder whose samples have one of Opus's rates.
func NewDecoder(rate int) (*Decoder, error) {
	d := &Decoder{rate: rate, state: words(int(C.opus_decoder_get_size(1)))}
	if code := C.opus_decoder_init(d.c(), C.opus_int32(rate), 1); code != C.OPUS_OK {
		return nil, problem("decoder", int(code))
	}
	return d, nil
}

func (d *Decoder) c() *C.OpusDecoder { return (*C.OpusDecoder)(unsafe.Pointer(&d.state[0])) }

// words gives zeroed memory for n bytes, aligned as libopus needs.
func words(n int) []uint64 { return make([]uint64, (n+7)/8) }

func problem(doing string, code int) error {
	return fmt.Errorf("opus: %s: %s", doing, C.GoString(C.opus_strerror(C.int(code))))
}

var (
	errEmpty  = errors.New("opus: empty payload")
	errNoRoom = errors.New("opus: no room for any sample: give a longer buffer")
)

// Rate is the number of samples a second.
func (d *Decoder) Rate() int { return d.rate }

// Decode decodes a packet of up to 120 ms.
func (d *Decoder) Decode(dst []int16, payload []byte) (int, error) {
	if len(payload) == 0 {
		return 0, errEmpty
	}
	return d.decode(dst, payload, 0)
}

func (d *Decoder) decode(dst []int16, payload []byte, fec C.int) (int, error) {
	if len(dst) == 0 {
		return 0, errNoRoom
	}
	data := (*C.uchar)(unsafe.Pointer(unsafe.SliceData(payload)))
	n := C.opus_decode(d.c(), data, C.opus_int32(len(payload)), (*C.opus_int16)(&dst[0]), C.int(len(dst)), fec)
	if n < 0 {
		return 0, problem(fmt.Sprintf("payload of %d bytes, room for %d samples", len(payload), len(dst)), int(n))
	}
	return int(n), nil
}

// Conceal makes up what was lost, by libopus's extrapolation; it fades out.
func (d *Decoder) Conceal(dst []int16) (int, error) {
	unit := d.rate / 400
	whole := len(dst) - len(dst)%unit
	if whole > 0 {
		if n, err := d.decode(dst[:whole], nil, 0); err != nil || n != whole {
			return n, err
		}
	}
	if whole < len(dst) {
		if _, err := d.decode(d.rest[:unit], nil, 0); err != nil {
			return whole, err
		}
		copy(dst[whole:], d.rest[:])
	}
	return len(dst), nil
}

// Recover takes the copy of a lost packet from the one after it. A hole that is
// longer than that copy is extrapolated first; one that is shorter, or that is
// no whole number of 2.5 ms, is not recovered.
func (d *Decoder) Recover(dst []int16, next []byte) (int, error) {
	if len(next) == 0 || len(dst) == 0 || len(dst)%(d.rate/400) != 0 {
		return 0, nil
	}
	data := (*C.uchar)(unsafe.Pointer(&next[0]))
	n := int(C.tincan_copies(data, C.opus_int32(len(next)), C.opus_int32(d.rate)))
	if n == 0 || n > len(dst) {
		return 0, nil
	}
	return d.decode(dst, next, 1)
}
