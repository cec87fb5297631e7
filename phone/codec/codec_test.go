package codec_test

import (
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
	_, err := codec.NewDecoder(codec.Format{Name: "opus", Clock: 48000, Channels: 2})
	if err == nil || !strings.Contains(err.Error(), "opus/48000/2") {
		t.Errorf("got %v", err)
	}
	if _, err := codec.NewEncoder(codec.Format{Name: "l16", Clock: 16000, Channels: 2}); err == nil {
		t.Error("stereo was taken for mono")
	}
}
