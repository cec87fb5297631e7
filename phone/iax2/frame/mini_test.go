package frame

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestKindOf(t *testing.T) {
	for hex, want := range map[string]Kind{
		"8001 0000":             KindFull,
		"0001 0000":             KindMini,
		"7fff ffff 00":          KindMini,
		"0000 8001 0000":        KindMiniVideo,
		"0000 0101 00000000":    KindTrunk,
		"0000 0100 00000000":    KindTrunk,
		"0000 0201 00000000":    KindUnknown, // T.38, of which nobody has said more
		"0000 00":               KindUnknown,
		"8001 00":               KindUnknown,
		"":                      KindUnknown,
		"0000 0000 00000000 00": KindUnknown,
	} {
		if got := KindOf(octets(t, hex)); got != want {
			t.Errorf("%q: kind %d, want %d", hex, got, want)
		}
	}
}

func TestMini(t *testing.T) {
	b := octets(t, "0102 ff38 d5d4d3")
	m, err := ParseMini(b)
	want := Mini{Source: 0x102, Time: 0xff38, Payload: []byte{0xd5, 0xd4, 0xd3}}
	if d := cmp.Diff(want, m); d != "" || err != nil {
		t.Errorf("mini: %v (-want +got):\n%s", err, d)
	}
	if got := AppendMini(nil, m); !bytes.Equal(got, b) {
		t.Errorf("written as % x", got)
	}
	if _, err := ParseMini(b[:3]); !errors.Is(err, ErrShort) {
		t.Errorf("three bytes: %v", err)
	}
}

func TestMiniVideo(t *testing.T) {
	b := octets(t, "0000 8102 ff38 aabb")
	v, err := ParseMiniVideo(b)
	want := MiniVideo{Source: 0x102, Time: 0x7f38, Mark: true, Payload: []byte{0xaa, 0xbb}}
	if d := cmp.Diff(want, v); d != "" || err != nil {
		t.Errorf("video: %v (-want +got):\n%s", err, d)
	}
	if got := AppendMiniVideo(nil, v); !bytes.Equal(got, b) {
		t.Errorf("written as % x", got)
	}
	if _, err := ParseMiniVideo(b[:5]); !errors.Is(err, ErrShort) {
		t.Errorf("five bytes: %v", err)
	}
}

// TestTrunkPictures: both layouts of RFC 5456 8.1.3.1, two calls each.
func TestTrunkPictures(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		timed     bool
		want      []Entry
	}{
		{
			"with times", "0000 0101 00001234  0003 0005 0014 aabbcc  0001 0006 ffff dd", true,
			[]Entry{{5, 0x14, []byte{0xaa, 0xbb, 0xcc}}, {6, 0xffff, []byte{0xdd}}},
		},
		{
			"without times", "0000 0100 00001234  0005 0003 aabbcc  0006 0000", false,
			[]Entry{{5, 0, []byte{0xaa, 0xbb, 0xcc}}, {6, 0, []byte{}}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := octets(t, c.hex)
			trunk, err := ParseTrunk(b)
			if err != nil || trunk.Time != 0x1234 || trunk.Timed != c.timed {
				t.Fatalf("got %+v, %v", trunk, err)
			}
			got, err := entries(trunk)
			if d := cmp.Diff(c.want, got); d != "" || err != nil {
				t.Errorf("entries: %v (-want +got):\n%s", err, d)
			}
			again := AppendTrunk(nil, trunk.Time, trunk.Timed)
			for _, e := range got {
				again, _ = AppendEntry(again, e, MaxDatagram)
			}
			if !bytes.Equal(again, b) {
				t.Errorf("written as % x", again)
			}
		})
	}
}

func entries(t Trunk) ([]Entry, error) {
	var all []Entry
	for {
		e, more, err := t.Next()
		if err != nil || !more {
			return all, err
		}
		all = append(all, e)
	}
}

// TestTrunkLies: an entry that announces more than there is ends the row, and
// those before it are kept.
func TestTrunkLies(t *testing.T) {
	for name, hex := range map[string]string{
		"too long":     "0000 0101 00000000  0001 0006 ffff dd  ffff 0005 0014 aabbcc",
		"half a frame": "0000 0101 00000000  0001 0006 ffff dd  0001 00",
		"plain":        "0000 0100 00000000  0006 0001 dd  0005 0004 aabbcc",
	} {
		trunk, err := ParseTrunk(octets(t, hex))
		if err != nil {
			t.Fatal(err)
		}
		got, err := entries(trunk)
		if len(got) != 1 || got[0].Source != 6 || !errors.Is(err, ErrShort) {
			t.Errorf("%s: entries %+v, %v", name, got, err)
		}
	}
	if _, err := ParseTrunk(octets(t, "0000 0101 000000")); !errors.Is(err, ErrShort) {
		t.Errorf("seven bytes: %v", err)
	}
	if _, err := ParseTrunk(octets(t, "0001 0101 00000000")); err == nil {
		t.Error("a mini frame was read as a trunk's")
	}
}

// TestTrunkLimit: entries are added up to the limit and not a byte beyond, and
// what was added comes back.
func TestTrunkLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		timed := rapid.Bool().Draw(t, "timed")
		limit := rapid.IntRange(0, 400).Draw(t, "limit")
		b := AppendTrunk(nil, 7, timed)
		var want []Entry
		for range rapid.IntRange(0, 20).Draw(t, "calls") {
			e := Entry{
				Source:  rapid.Uint16Range(1, MaxNumber).Draw(t, "source"),
				Payload: bytes.Repeat([]byte{1}, rapid.IntRange(0, 80).Draw(t, "length")),
			}
			if timed {
				e.Time = rapid.Uint16().Draw(t, "time")
			}
			before := len(b)
			next, ok := AppendEntry(b, e, limit)
			if fits := before+EntryLength(len(e.Payload), timed) <= limit; ok != fits || (!ok && len(next) != before) {
				t.Fatalf("limit %d, %d bytes and %d more: %v", limit, before, len(e.Payload), ok)
			}
			if b = next; ok {
				want = append(want, e)
			}
		}
		trunk, err := ParseTrunk(b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := entries(trunk)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
	})
}

// TestHotPathAllocatesNothing: what every packet of sound goes through.
func TestHotPathAllocatesNothing(t *testing.T) {
	full := AppendFull(nil, Full{Source: 1, Dest: 2, Type: Voice, Subclass: Subclass(PCMA), Payload: make([]byte, 160)})
	mini := AppendMini(nil, Mini{Source: 1, Time: 2, Payload: make([]byte, 160)})
	trunk := AppendTrunk(nil, 0, true)
	for i := range 5 {
		trunk, _ = AppendEntry(trunk, Entry{Source: uint16(i + 1), Payload: make([]byte, 160)}, MaxDatagram)
	}
	out := make([]byte, 0, MaxDatagram)
	if n := testing.AllocsPerRun(100, func() {
		f, _ := ParseFull(full)
		m, _ := ParseMini(mini)
		out = AppendMini(AppendFull(out[:0], f), m)
		tr, _ := ParseTrunk(trunk)
		out = AppendTrunk(out[:0], tr.Time, tr.Timed)
		for {
			e, more, err := tr.Next()
			if !more || err != nil {
				break
			}
			out, _ = AppendEntry(out, e, MaxDatagram)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzMeta(f *testing.F) {
	f.Add(octets(f, "0000 0101 00001234  0003 0005 0014 aabbcc  0001 0006 ffff dd"))
	f.Add(octets(f, "0000 0100 00001234  0005 0003 aabbcc  0006 0000"))
	f.Add(octets(f, "0000 8102 ff38 aabb"))
	f.Add(octets(f, "0102 ff38 d5d4d3"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = Summary(b)
		var again []byte
		switch KindOf(b) {
		case KindMini:
			m, _ := ParseMini(b)
			again = AppendMini(nil, m)
		case KindMiniVideo:
			v, err := ParseMiniVideo(b)
			if err != nil {
				return
			}
			again = AppendMiniVideo(nil, v)
		case KindTrunk:
			rewriteTrunk(t, b)
			return
		default:
			return
		}
		if !bytes.Equal(again, b) {
			t.Errorf("% x written as % x", b, again)
		}
	})
}

// rewriteTrunk: what was read is read again from what is written, and no entry
// reaches beyond the datagram.
func rewriteTrunk(t *testing.T, b []byte) {
	trunk, err := ParseTrunk(b)
	if err != nil {
		return
	}
	got, _ := entries(trunk)
	again := AppendTrunk(nil, trunk.Time, trunk.Timed)
	for _, e := range got {
		again, _ = AppendEntry(again, e, len(b))
	}
	second, err := ParseTrunk(again)
	if err != nil {
		t.Fatal(err)
	}
	read, err := entries(second)
	if d := cmp.Diff(got, read); d != "" || err != nil {
		t.Errorf("%v (-first +second):\n%s", err, d)
	}
}
