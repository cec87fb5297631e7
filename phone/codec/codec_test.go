package codec_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"tincan/phone/codec"
)

func TestStaticTable(t *testing.T) {
	want := map[uint8]string{
		0: "pcmu/8000", 3: "gsm/8000", 4: "g723/8000", 8: "pcma/8000", 9: "g722/8000",
		10: "l16/44100/2", 13: "cn/8000", 18: "g729/8000", 26: "jpeg/90000", 34: "h263/90000",
	}
	for pt, name := range want {
		f, ok := codec.Static(pt)
		if !ok || f.String() != name || f.PT != pt {
			t.Errorf("payload type %d: got %v, %v", pt, f, ok)
		}
	}
	for _, pt := range []uint8{1, 2, 19, 24, 72, 96, 127, 255} {
		if f, ok := codec.Static(pt); ok {
			t.Errorf("payload type %d is not assigned, got %v", pt, f)
		}
	}
}

func TestSame(t *testing.T) {
	h264 := func(fmtp string) codec.Format {
		return codec.Format{Name: "h264", Clock: 90000, Channels: 1, Fmtp: fmtp}
	}
	cases := []struct {
		name string
		a, b codec.Format
		want bool
	}{
		{
			"payload type does not matter",
			codec.Format{PT: 96, Name: "opus", Clock: 48000, Channels: 2},
			codec.Format{PT: 111, Name: "opus", Clock: 48000, Channels: 2, Fmtp: "useinbandfec=1"},
			true,
		},
		{
			"channels left out are one",
			codec.Format{Name: "pcmu", Clock: 8000},
			codec.Format{Name: "pcmu", Clock: 8000, Channels: 1},
			true,
		},
		{
			"clock decides",
			codec.Format{Name: "speex", Clock: 8000},
			codec.Format{Name: "speex", Clock: 16000},
			false,
		},
		{"level does not decide", h264("profile-level-id=42E01F"), h264("profile-level-id=42e00a"), true},
		{"profile decides", h264("profile-level-id=640028"), h264("profile-level-id=42e028"), false},
		{"packetization decides", h264("profile-level-id=42e01f; packetization-mode=1"), h264("profile-level-id=42e01f"), false},
		{"a default written out is the same", h264("packetization-mode=0"), h264(""), true},
	}
	for _, c := range cases {
		if got := c.a.Same(c.b); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
		if got := c.b.Same(c.a); got != c.want {
			t.Errorf("%s, the other way: got %v", c.name, got)
		}
	}
}

func TestLackingCodecIsNamed(t *testing.T) {
	_, err := codec.NewDecoder(codec.Format{Name: "amr", Clock: 8000, Channels: 1})
	if err == nil || !strings.Contains(err.Error(), "amr/8000") || !strings.Contains(err.Error(), "pcmu") {
		t.Errorf("got %v", err)
	}
	if _, err := codec.NewEncoder(codec.Format{Name: "pcmu", Clock: 8000, Channels: 2}); err == nil {
		t.Error("stereo was taken for mono")
	}
	for _, l := range codec.Lacks() {
		_, err := codec.NewEncoder(codec.Format{Name: l.Name, Clock: 8000})
		if l.Reason == "" || err == nil || !strings.Contains(err.Error(), l.Reason) {
			t.Errorf("%s: %v", l.Name, err)
		}
		if slices.Contains(codec.Made(), l.Name) {
			t.Errorf("%s is both made and lacking", l.Name)
		}
	}
}

// formats of all codecs that any build makes.
var formats = []codec.Format{
	{Name: "opus", Clock: 48000, Channels: 2, Fmtp: "useinbandfec=1"},
	{Name: "g722", Clock: 8000},
	{Name: "pcma", Clock: 8000, Channels: 1},
	{Name: "pcmu", Clock: 8000, Channels: 1},
	{Name: "pcmu", Clock: 16000, Channels: 1},
	{Name: "gsm", Clock: 8000, Channels: 1},
	{Name: "speex", Clock: 8000, Channels: 1},
	{Name: "speex", Clock: 16000, Channels: 1},
	{Name: "speex", Clock: 32000, Channels: 1},
	{Name: "g729", Clock: 8000, Channels: 1},
	{Name: "l16", Clock: 8000, Channels: 1},
	{Name: "l16", Clock: 16000, Channels: 1},
	{Name: "l16", Clock: 44100, Channels: 1},
	{Name: "l16", Clock: 44100, Channels: 2},
	{Name: "l16", Clock: 48000, Channels: 2},
}

// TestSoundComesThroughEveryCodec: a tone of half scale in packets of 20 to 60
// ms, from an encoder to a decoder of the same format and through their clones.
func TestSoundComesThroughEveryCodec(t *testing.T) {
	for _, f := range formats {
		if !slices.Contains(codec.Made(), f.Name) {
			continue
		}
		for _, ms := range []int{20, 40, 60} {
			t.Run(fmt.Sprintf("%v %d ms", f, ms), func(t *testing.T) { through(t, f, ms) })
		}
	}
}

func through(t *testing.T, f codec.Format, ms int) {
	e, err := codec.NewEncoder(f)
	if err != nil {
		t.Fatal(err)
	}
	d, err := codec.NewDecoder(f)
	if err != nil {
		t.Fatal(err)
	}
	size := e.Rate() * ms / 1000
	if framed, ok := e.(codec.Framed); ok && size%framed.Frame() != 0 {
		t.Fatalf("%d samples are no multiple of %d", size, framed.Frame())
	}
	payload, dst, back := make([]byte, 4*size), make([]int16, size), []int16(nil)
	for at := 0; at < e.Rate(); at += size {
		n, err := e.Encode(payload, tone(500, e.Rate(), at, size))
		if err != nil || n == 0 {
			t.Fatalf("%d bytes, %v", n, err)
		}
		m, err := d.Decode(dst, payload[:n])
		if m != size || err != nil {
			t.Fatalf("%d samples, want %d, %v", m, size, err)
		}
		back = append(back, dst...)
		if c, ok := e.(codec.Cloner); ok {
			if e, err = c.Clone(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := level(back[len(back)/2:], 500, e.Rate()); got < 12000 || got > 19000 {
		t.Errorf("level %.0f, want 16000", got)
	}
}

func tone(hz float64, rate, from, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(16000 * math.Sin(2*math.Pi*hz*float64(from+i)/float64(rate)))
	}
	return pcm
}

func level(pcm []int16, hz float64, rate int) float64 {
	var re, im float64
	for i, s := range pcm {
		w := 2 * math.Pi * hz * float64(i) / float64(rate)
		re, im = re+float64(s)*math.Cos(w), im+float64(s)*math.Sin(w)
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

// TestRatesThatAreWanted: Opus follows, others have their own.
func TestRatesThatAreWanted(t *testing.T) {
	for _, f := range formats {
		if !slices.Contains(codec.Made(), f.Name) {
			continue
		}
		for _, rate := range []int{8000, 16000, 48000} {
			d, err := codec.NewDecoderAt(f, rate)
			if err != nil {
				t.Fatal(err)
			}
			e, err := codec.NewEncoderAt(f, rate)
			if err != nil {
				t.Fatal(err)
			}
			own, _ := codec.NewDecoder(f)
			want := own.Rate()
			if f.Name == "opus" {
				want = rate
			}
			if d.Rate() != want || e.Rate() != want {
				t.Errorf("%v at %d: decoder %d, encoder %d, want %d", f, rate, d.Rate(), e.Rate(), want)
			}
		}
	}
}
