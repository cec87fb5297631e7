package frame

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/bits"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// octets reads hex digits; blanks separate fields.
func octets(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFullFrames: made by hand from the picture in RFC 5456 8.1.1.
func TestFullFrames(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      Full
	}{
		{
			"NEW, the first frame of a call", "8001 0000 00000003 00 00 06 01 0b020002",
			Full{Source: 1, Time: 3, Type: IAX, Subclass: Subclass(New), Payload: []byte{0x0b, 2, 0, 2}},
		},
		{
			"an ACK sent again, greatest numbers", "ffff ffff ffffffff ff fe 06 04",
			Full{
				Source: MaxNumber, Dest: MaxNumber, Retransmit: true, Time: 0xffffffff,
				OSeq: 255, ISeq: 254, Type: IAX, Subclass: Subclass(Ack), Payload: []byte{},
			},
		},
		{
			"u-law below 128 is written as it is", "8002 0003 00000014 01 02 02 04 d5d5",
			Full{
				Source: 2, Dest: 3, Time: 20, OSeq: 1, ISeq: 2, Type: Voice,
				Subclass: Subclass(PCMU), Payload: []byte{0xd5, 0xd5},
			},
		},
		{
			"G.722 as a power of two", "8002 0003 00000014 01 02 02 8c 00",
			Full{Source: 2, Dest: 3, Time: 20, OSeq: 1, ISeq: 2, Type: Voice, Subclass: Subclass(G722), Payload: []byte{0}},
		},
		{
			"Opus, beyond 32 bits", "8002 0003 00000014 01 02 02 a2 00",
			Full{Source: 2, Dest: 3, Time: 20, OSeq: 1, ISeq: 2, Type: Voice, Subclass: Subclass(Opus), Payload: []byte{0}},
		},
		{
			"the last piece of a picture", "8002 0003 00000014 01 02 03 d5 00",
			Full{
				Source: 2, Dest: 3, Time: 20, OSeq: 1, ISeq: 2, Type: Video,
				Subclass: Subclass(H264), Mark: true, Payload: []byte{0},
			},
		},
		{
			"the end of tones, as Asterisk sends it", "8002 0003 00000014 01 02 04 ff",
			Full{Source: 2, Dest: 3, Time: 20, OSeq: 1, ISeq: 2, Type: ControlFrame, Subclass: Subclass(StopTones), Payload: []byte{}},
		},
		{
			"a digit", "8002 0003 00000014 01 02 0c 23",
			Full{Source: 2, Dest: 3, Time: 20, OSeq: 1, ISeq: 2, Type: DTMFBegin, Subclass: '#', Payload: []byte{}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := octets(t, c.hex)
			got, err := ParseFull(b)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("frame (-want +got):\n%s", d)
			}
			if again := AppendFull(nil, got); !bytes.Equal(b, again) {
				t.Errorf("written as\n% x, want\n% x", again, b)
			}
			if k := KindOf(b); k != KindFull {
				t.Errorf("kind %d", k)
			}
			if s, d := Numbers(b); s != c.want.Source || d != c.want.Dest {
				t.Errorf("numbers %d, %d", s, d)
			}
		})
	}
}

func TestFullFrameRefused(t *testing.T) {
	if _, err := ParseFull(octets(t, "8001 0000 00000003 00 00 06")); !errors.Is(err, ErrShort) {
		t.Errorf("eleven bytes: %v", err)
	}
	for name, s := range map[string]string{
		"a mini frame":             "0001 0000 00000003 00 00 06 01",
		"a power beyond 64 bits":   "8001 0000 00000003 00 00 06 c1",
		"a mark without a picture": "8001 0000 00000003 00 00 02 c2",
	} {
		if f, err := ParseFull(octets(t, s)); err == nil {
			t.Errorf("%s: read as %+v", name, f)
		}
	}
}

func TestSetRetransmit(t *testing.T) {
	b := AppendFull(nil, Full{Source: 1, Dest: 2, Type: IAX, Subclass: Subclass(Ping)})
	SetRetransmit(b)
	if f, err := ParseFull(b); err != nil || !f.Retransmit || f.Dest != 2 {
		t.Errorf("got %+v, %v", f, err)
	}
	mini := []byte{0, 1, 2, 3}
	SetRetransmit(mini)
	if !bytes.Equal(mini, []byte{0, 1, 2, 3}) {
		t.Error("touched a mini frame")
	}
}

func TestSequenced(t *testing.T) {
	not := map[Command]bool{Ack: true, Inval: true, TxCnt: true, TxAcc: true, Vnak: true, CallToken: true}
	for c := New; c <= CallToken; c++ {
		if got := (Full{Type: IAX, Subclass: Subclass(c)}).Sequenced(); got == not[c] {
			t.Errorf("%s: sequenced %v", c, got)
		}
	}
	if !(Full{Type: ControlFrame, Subclass: Subclass(Answer)}).Sequenced() {
		t.Error("ANSWER, which has the number of ACK, must count")
	}
}

// TestNames: the numbers of the RFC's tables meet their names.
func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		CallToken.String(): "CALLTOKEN", Poke.String(): "POKE", TxMedia.String(): "TXMEDIA", Command(0).String(): "COMMAND-0",
		Command(41).String(): "COMMAND-41", CauseDetail.String(): "CAUSE-CODE", SourceUpdate.String(): "SOURCE-UPDATE",
		Unhold.String(): "UNHOLD", Control(99).String(): "CONTROL-99", DTMFBegin.String(): "DTMF-BEGIN", Type(13).String(): "TYPE-13",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzFull(f *testing.F) {
	f.Add(octets(f, "8001 0000 00000003 00 00 06 01 0b020002"))
	f.Add(octets(f, "8002 0003 00000014 01 02 03 d5 00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseFull(b)
		_ = Summary(b)
		_ = Detail(b)
		if err != nil {
			return
		}
		if got.Subclass > 0x7f && got.Subclass != none && bits.OnesCount64(uint64(got.Subclass)) != 1 {
			t.Fatalf("subclass %#x", got.Subclass)
		}
		again, err := ParseFull(AppendFull(nil, got))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(got, again); d != "" {
			t.Errorf("round trip (-first +second):\n%s", d)
		}
	})
}
