//go:build cgo

package opus

// #cgo noescape tincan_encode
// #cgo nocallback tincan_encode
// #cgo noescape tincan_adapt
// #cgo nocallback tincan_adapt
//
// #include <alloca.h>
// #include <string.h>
// #include <opus/opus.h>
//
// static int tincan_start(OpusEncoder *e, opus_int32 rate, int complexity,
//     int bitrate, int bandwidth, int vbr, int fec, int dtx) {
//   int bad = opus_encoder_init(e, rate, 1, OPUS_APPLICATION_VOIP);
//   if (bad) return bad;
//   bad |= opus_encoder_ctl(e, OPUS_SET_COMPLEXITY(complexity));
//   bad |= opus_encoder_ctl(e, OPUS_SET_BITRATE(bitrate));
//   bad |= opus_encoder_ctl(e, OPUS_SET_MAX_BANDWIDTH(bandwidth));
//   bad |= opus_encoder_ctl(e, OPUS_SET_VBR(vbr));
//   bad |= opus_encoder_ctl(e, OPUS_SET_INBAND_FEC(fec));
//   bad |= opus_encoder_ctl(e, OPUS_SET_DTX(dtx));
//   return bad ? OPUS_BAD_ARG : OPUS_OK;
// }
//
// static int tincan_adapt(OpusEncoder *e, int percent, int bitrate) {
//   int bad = opus_encoder_ctl(e, OPUS_SET_PACKET_LOSS_PERC(percent));
//   return bad ? bad : opus_encoder_ctl(e, OPUS_SET_BITRATE(bitrate));
// }
//
// // tincan_encode makes one packet of several frames of equal length. Should the
// // coding mode change on the way, the frames from there on are left out.
// static int tincan_encode(OpusEncoder *e, const opus_int16 *pcm, int frames, int frame,
//     int dtx, unsigned char *out, opus_int32 room) {
//   if (frames == 1)
//     return opus_encode(e, pcm, frame, out, room < 1275 ? room : 1275);
//   OpusRepacketizer *packet = alloca(opus_repacketizer_get_size());
//   unsigned char pieces[6][1275];
//   opus_repacketizer_init(packet);
//   int heard = !dtx, full = 0;
//   for (int i = 0; i < frames; i++) {
//     int n = opus_encode(e, pcm + i * frame, frame, pieces[i], sizeof pieces[i]);
//     if (n < 0) return n;
//     heard |= n > 2;
//     full = full || opus_repacketizer_cat(packet, pieces[i], n) != OPUS_OK;
//   }
//   return heard ? opus_repacketizer_out(packet, out, room) : 0;
// }
import "C"

import (
	"fmt"
	"slices"
	"unsafe"
)

// complexity is how hard the encoder thinks, 0 to 10. At 5 it takes half the time
// of 10 for speech, and no longer switches to music by itself, which is what the
// upper steps are for: a Raspberry Pi must serve calls.
const complexity = 5

// silent is the length up to which a packet need not be sent (opus_encode).
const silent = 2

// mostLoss is the share of lost packets beyond which copies cannot help.
const mostLoss = 0.4

// Encoder encodes one stream for a receiver.
type Encoder struct {
	state  []uint64 // an OpusEncoder
	rate   int
	params Params
	loss   int // percent, as told to libopus
}

// NewEncoder makes an encoder for samples of one of Opus's rates, as the
// receiver wants its packets.
func NewEncoder(rate int, p Params) (*Encoder, error) {
	if p.MaxRate == 0 {
		p.MaxRate = mostRate
	}
	e := &Encoder{rate: rate, params: p, state: words(int(C.opus_encoder_get_size(1)))}
	code := C.tincan_start(e.c(), C.opus_int32(rate), complexity, C.int(p.bitrate(rate)),
		bandwidth(p.MaxRate), flag(!p.CBR), flag(p.FEC), flag(p.DTX))
	if code != C.OPUS_OK {
		return nil, problem(fmt.Sprintf("encoder at %d Hz", rate), int(code))
	}
	return e, nil
}

func (e *Encoder) c() *C.OpusEncoder { return (*C.OpusEncoder)(unsafe.Pointer(&e.state[0])) }

func flag(on bool) C.int {
	if on {
		return 1
	}
	return 0
}

func bandwidth(rate int) C.int {
	switch {
	case rate < 12000:
		return C.OPUS_BANDWIDTH_NARROWBAND
	case rate < 16000:
		return C.OPUS_BANDWIDTH_MEDIUMBAND
	case rate < 24000:
		return C.OPUS_BANDWIDTH_WIDEBAND
	case rate < 48000:
		return C.OPUS_BANDWIDTH_SUPERWIDEBAND
	}
	return C.OPUS_BANDWIDTH_FULLBAND
}

// Clone gives an encoder that goes on from the same state.
func (e *Encoder) Clone() *Encoder {
	c := *e
	c.state = slices.Clone(e.state)
	return &c
}

// Rate is the number of samples a second.
func (e *Encoder) Rate() int { return e.rate }

// Frame is the number of samples in 10 ms, of which a packet has one to six.
func (e *Encoder) Frame() int { return e.rate / 100 }

// Encode makes a packet of 10, 20, ... 60 ms; it is empty while nobody speaks
// and the receiver allows that.
func (e *Encoder) Encode(dst []byte, pcm []int16) (int, error) {
	tens := len(pcm) / e.Frame()
	if tens < 1 || tens > 6 || len(pcm)%e.Frame() != 0 {
		return 0, fmt.Errorf("opus: packet of %d samples at %d Hz: give 10, 20, 30, 40, 50 or 60 ms", len(pcm), e.rate)
	}
	if len(dst) == 0 {
		return 0, fmt.Errorf("opus: no room for %d samples: give a longer buffer", len(pcm))
	}
	frames := 1
	if tens == 3 || tens == 5 { // there are no frames of that length
		frames = tens
	}
	n := C.tincan_encode(e.c(), (*C.opus_int16)(&pcm[0]), C.int(frames), C.int(len(pcm)/frames),
		flag(e.params.DTX), (*C.uchar)(&dst[0]), C.opus_int32(len(dst)))
	if n < 0 {
		return 0, problem(fmt.Sprintf("encoding %d samples to %d bytes", len(pcm), len(dst)), int(n))
	}
	if n <= silent && e.params.DTX {
		return 0, nil
	}
	return int(n), nil
}

// Adapt tells which share of the packets gets lost: the more, the better the
// copies that packets carry of the ones before, if the receiver wants them. They
// come from the same bits, so a tenth of loss and more gets half as many again.
func (e *Encoder) Adapt(loss float64) {
	percent := int(min(max(loss, 0), mostLoss)*100 + 0.5)
	if !e.params.FEC || percent == e.loss {
		return
	}
	e.loss = percent
	bits := e.params.bitrate(e.rate)
	bits += bits * min(percent, 10) / 20
	if e.params.MaxBitrate > 0 {
		bits = min(bits, e.params.MaxBitrate)
	}
	C.tincan_adapt(e.c(), C.int(percent), C.int(bits))
}
