package file

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// FuzzNew: whatever a stream holds, it is read to an end in bounded room, and
// what is wrong is one of the errors stated.
func FuzzNew(f *testing.F) {
	f.Add([]byte("RIFF....WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x04\x00\x00\x00abcd"), "a.wav")
	head := page{kind: oggFirst}
	head.add(append([]byte("OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00"), 0))
	tags := page{sequence: 1}
	tags.add([]byte("OpusTags"))
	sound := page{sequence: 2, kind: oggLast}
	sound.add([]byte{0xf8, 1, 2, 3})
	stream := sound.append(tags.append(head.append(nil)))
	f.Add(stream, "a.opus")
	f.Add(append(stream, stream...), "a.opus")
	f.Add(make([]byte, 100), "a.gsm")
	f.Add(make([]byte, 100), "a.sln16")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		if isMP3(b) {
			t.Skip("another program's")
		}
		r, err := New(io.NopCloser(bytes.NewReader(b)), name)
		if err != nil {
			return
		}
		if r.Rate() < leastRate || r.Rate() > mostRate {
			t.Fatalf("%d samples a second", r.Rate())
		}
		pcm, err := all(r)
		if err != nil && !errors.Is(err, ErrCut) && !errors.Is(err, ErrFormat) {
			t.Fatal(err)
		}
		if most := 48 * 120 * (len(b) + 1); len(pcm) > most {
			t.Fatalf("%d samples of %d bytes", len(pcm), len(b))
		}
	})
}

// FuzzPage: what is written is read again, and a changed page is noticed.
func FuzzPage(f *testing.F) {
	f.Add(byte(2), uint64(960), uint32(7), []byte("some"), []byte("packets"), uint16(3))
	f.Add(byte(0), uint64(0), uint32(0), make([]byte, 255), make([]byte, 600), uint16(300))
	f.Fuzz(func(t *testing.T, kind byte, granule uint64, serial uint32, one, two []byte, flip uint16) {
		p := page{kind: kind, granule: granule, serial: serial, sequence: 9}
		want := [][]byte{}
		for _, packet := range [][]byte{one, two} {
			if p.add(packet) {
				want = append(want, packet)
			}
		}
		b := p.append(nil)
		in := packets{in: bytes.NewReader(b)}
		for _, w := range want {
			got, err := in.next()
			if len(w) > oggPacketMost {
				return
			}
			if err != nil || !bytes.Equal(got, w) {
				t.Fatalf("%q, %v; was %q", got, err, w)
			}
		}
		if in.page.kind != kind || in.page.granule != granule || in.page.serial != serial || in.page.sequence != 9 {
			t.Fatalf("%+v", in.page)
		}
		b[int(flip)%len(b)] ^= 0x10
		if err := new(page).read(bytes.NewReader(b)); err == nil {
			t.Fatal("a changed bit passes")
		}
	})
}

// FuzzJoin: packets that were joined come apart again.
func FuzzJoin(f *testing.F) {
	f.Add([]byte{0xf8, 1, 2}, []byte{0xf8})
	f.Add(append([]byte{0x08}, make([]byte, 1275)...), []byte{0xf8, 9})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		_, _, _ = splitPacket(a)
		if len(a) > 1276 {
			return
		}
		joined, err := joinPacket(nil, a)
		if err != nil {
			return
		}
		first, rest, err := splitPacket(append(joined, b...))
		if err != nil || !bytes.Equal(first, a) || !bytes.Equal(rest, b) {
			t.Fatalf("%x and %x, %v; were %x and %x", first, rest, err, a, b)
		}
	})
}
