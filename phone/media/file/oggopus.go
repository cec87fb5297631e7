package file

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"tincan/phone/codec"
)

// Ogg Opus (RFC 7845): a header packet, a packet of comments, then sound. Times
// are counted at 48 kHz whatever the sound had.
const (
	opusClock = 48000
	// opusSkip is how many samples at the start are the encoder's delay (RFC 7845
	// 4.2): 6.5 ms, which libopus has for speech.
	opusSkip = 312
	// opusFrame is the length of the packets written, per second.
	opusFrames = 50
	// opusLongest is the sound of a packet: 120 ms at 48 kHz.
	opusLongest = 5760
)

// opusFormat is what both encode and decode; DTX would make holes.
var opusFormat = codec.Format{Name: "opus", Clock: opusClock, Channels: 2, Fmtp: "maxaveragebitrate=32000"}

// oggReader reads Ogg Opus.
type oggReader struct {
	in       input
	packets  packets
	streams  int // more than one: each channel is a stream
	decoders []codec.Decoder
	decoded  [2][opusLongest]int16
	skip     int
	rest     []int16
}

func newOgg(in input) (Reader, error) {
	r := &oggReader{in: in, packets: packets{in: in}}
	return r, r.begin()
}

// begin reads the head of a stream.
func (r *oggReader) begin() error {
	head, err := r.packets.next()
	if err != nil {
		return r.failed(err)
	}
	if len(head) < 19 || string(head[:8]) != "OpusHead" || head[8]>>4 != 0 {
		return r.in.wrong("%w: of what Ogg carries, Opus is", ErrFormat)
	}
	r.skip = int(binary.LittleEndian.Uint16(head[10:]))
	r.streams = 1
	if head[18] != 0 { // the mapping of channels to streams (RFC 7845 5.1.1)
		if len(head) < 21+int(head[9]) || head[18] != 1 || head[9] != 2 || head[19] != 2 || head[20] != 0 {
			return r.in.wrong("%w: Opus of one or two channels is", ErrFormat)
		}
		r.streams = 2
	}
	r.decoders = r.decoders[:0]
	for range r.streams {
		d, err := codec.NewDecoderAt(opusFormat, opusClock)
		if err != nil {
			return r.in.wrong("%w", err)
		}
		r.decoders = append(r.decoders, d)
	}
	if _, err := r.packets.next(); err != nil { // comments
		return r.failed(err)
	}
	return nil
}

func (r *oggReader) Rate() int    { return opusClock }
func (r *oggReader) Close() error { return r.in.Close() }

func (r *oggReader) Read(pcm []int16) (n int, err error) {
	for n < len(pcm) {
		if len(r.rest) == 0 {
			if err := r.next(); err != nil {
				return n, err
			}
			continue
		}
		k := copy(pcm[n:], r.rest)
		n, r.rest = n+k, r.rest[k:]
	}
	return n, nil
}

// next decodes a packet.
func (r *oggReader) next() error {
	packet, err := r.packets.next()
	if errors.Is(err, errChained) {
		return r.begin()
	}
	if err != nil {
		return r.failed(err)
	}
	n := 0
	for i, d := range r.decoders {
		part := packet
		if i < r.streams-1 {
			if part, packet, err = splitPacket(packet); err != nil {
				return r.in.wrong("%w", err)
			}
		}
		if n, err = d.Decode(r.decoded[i][:], part); err != nil {
			return r.in.wrong("%w: %w", ErrFormat, err)
		}
	}
	if r.streams == 2 {
		for i, v := range r.decoded[1][:n] {
			r.decoded[0][i] = int16((int32(r.decoded[0][i]) + int32(v)) / 2)
		}
	}
	r.rest = r.decoded[0][:n]
	drop := min(r.skip, n)
	r.rest, r.skip = r.rest[drop:], r.skip-drop
	return nil
}

// failed tells the end of a stream, where one may begin to listen, from damage.
func (r *oggReader) failed(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return r.in.wrong("%w", ErrCut)
	}
	return r.in.wrong("%w: %w", ErrFormat, err)
}

// joinPacket puts a packet of one frame in front of others, with its length
// (RFC 6716 B).
func joinPacket(dst, packet []byte) ([]byte, error) {
	if len(packet) < 1 || packet[0]&3 != 0 {
		return nil, errors.New("file: an Opus packet of several frames cannot be joined with another")
	}
	n := len(packet) - 1
	dst = append(dst, packet[0])
	if n < 252 {
		dst = append(dst, byte(n))
	} else {
		dst = append(dst, byte(252+n&3), byte((n-(252+n&3))/4))
	}
	return append(dst, packet[1:]...), nil
}

// splitPacket takes off what joinPacket put in front.
func splitPacket(b []byte) (packet, rest []byte, err error) {
	if len(b) < 2 || b[0]&3 != 0 {
		return nil, nil, ErrFormat
	}
	n, at := int(b[1]), 2
	if n >= 252 {
		if len(b) < 3 {
			return nil, nil, ErrFormat
		}
		n, at = n+4*int(b[2]), 3
	}
	if len(b) < at+n {
		return nil, nil, ErrFormat
	}
	packet = append(append(make([]byte, 0, n+1), b[0]), b[at:at+n]...)
	return packet, b[at+n:], nil
}

// oggWriter writes Ogg Opus, two channels as two streams of one.
type oggWriter struct {
	file     *os.File
	encoders []codec.Encoder
	frame    int       // samples of a packet and channel
	waiting  [][]int16 // a channel each
	page     page
	sound    uint64 // samples at 48 kHz, with what is waiting
	granule  uint64 // likewise, of what is on pages
	joined   []byte
	payload  []byte
	out      []byte
}

func newOggWriter(f *os.File, rate, channels int) (Writer, error) {
	w := &oggWriter{file: f, payload: make([]byte, 1500), waiting: make([][]int16, channels)}
	for range channels {
		e, err := codec.NewEncoderAt(opusFormat, rate)
		if err != nil {
			return nil, err
		}
		if e.Rate() != rate {
			return nil, errors.New("opus is written of 8000, 16000, 24000 or 48000 samples a second")
		}
		w.encoders = append(w.encoders, e)
	}
	w.frame = rate / opusFrames
	w.page.serial = 1
	head := append([]byte("OpusHead\x01"), byte(channels))
	head = binary.LittleEndian.AppendUint16(head, opusSkip)
	head = binary.LittleEndian.AppendUint32(head, uint32(rate))
	head = append(head, 0, 0)
	if channels == 1 {
		head = append(head, 0)
	} else {
		head = append(head, 1, 2, 0, 0, 1)
	}
	w.page.kind = oggFirst
	w.page.add(head)
	if err := w.turn(); err != nil {
		return nil, err
	}
	tags := append([]byte("OpusTags\x06\x00\x00\x00"), "tincan\x00\x00\x00\x00"...)
	w.page.add(tags)
	return w, w.turn()
}

func (w *oggWriter) Write(pcm []int16) error {
	channels := len(w.waiting)
	for i, v := range pcm {
		w.waiting[i%channels] = append(w.waiting[i%channels], v)
	}
	w.sound += uint64(len(pcm) / channels * opusClock / (w.frame * opusFrames))
	for len(w.waiting[0]) >= w.frame {
		if err := w.encode(); err != nil {
			return err
		}
	}
	return nil
}

// encode puts one packet on the page, which is turned every second.
func (w *oggWriter) encode() error {
	w.joined = w.joined[:0]
	for i, e := range w.encoders {
		n, err := e.Encode(w.payload, w.waiting[i][:w.frame])
		if err != nil {
			return err
		}
		w.waiting[i] = append(w.waiting[i][:0], w.waiting[i][w.frame:]...)
		if i == len(w.encoders)-1 {
			w.joined = append(w.joined, w.payload[:n]...)
		} else if w.joined, err = joinPacket(w.joined, w.payload[:n]); err != nil {
			return err
		}
	}
	if !w.page.add(w.joined) {
		if err := w.turn(); err != nil {
			return err
		}
		w.page.add(w.joined)
	}
	w.granule += opusClock / opusFrames
	w.page.granule = w.granule
	if w.granule%opusClock == 0 {
		return w.turn()
	}
	return nil
}

// turn writes the page and begins another.
func (w *oggWriter) turn() error {
	w.out = w.page.append(w.out[:0])
	w.page.sequence++
	w.page.kind, w.page.lengths, w.page.data = 0, w.page.lengths[:0], w.page.data[:0]
	_, err := w.file.Write(w.out)
	return err
}

// Close lets the encoder's delay run out, and says how much of the last packet is
// sound (RFC 7845 4).
func (w *oggWriter) Close() error {
	var err error
	end := w.sound + opusSkip
	for err == nil && w.granule < end {
		for i := range w.waiting {
			w.waiting[i] = append(w.waiting[i], make([]int16, w.frame-len(w.waiting[i]))...)
		}
		err = w.encode()
	}
	w.page.kind, w.page.granule = oggLast, end
	return errors.Join(err, w.turn(), w.file.Close())
}
