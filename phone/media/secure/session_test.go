package secure

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// ends makes both ends of a session.
func ends(t testing.TB, s Suite) (us, them *Session) {
	t.Helper()
	k := Keys{Suite: s, Local: NewKey(s), Remote: NewKey(s)}
	var err error
	if us, err = New(k); err != nil {
		t.Fatal(err)
	}
	if them, err = New(Keys{Suite: s, Local: k.Remote, Remote: k.Local}); err != nil {
		t.Fatal(err)
	}
	return us, them
}

func packet(seq uint16, ssrc uint32, payload ...byte) []byte {
	b := make([]byte, rtpHead, rtpHead+len(payload)+Room)
	b[0] = 2 << 6
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return append(b, payload...)
}

func report(ssrc uint32) []byte {
	b := make([]byte, 28, 28+Room)
	b[0], b[1], b[3] = 2<<6, 200, 6
	binary.BigEndian.PutUint32(b[4:], ssrc)
	return b
}

// carry protects at one end and unprotects at the other.
func carry(from, to *Session, b []byte) ([]byte, error) {
	sealed, err := from.Protect(make([]byte, 0, len(b)+Room), b)
	if err != nil {
		return nil, err
	}
	return to.Unprotect(sealed)
}

func TestSuites(t *testing.T) {
	for _, s := range Suites() {
		t.Run(s.String(), func(t *testing.T) {
			us, them := ends(t, s)
			b := packet(7, 1, 'h', 'e', 'y')
			sealed, err := us.Protect(nil, b)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(sealed, []byte("hey")) {
				t.Error("the payload is in the clear")
			}
			plain, err := them.Unprotect(bytes.Clone(sealed))
			if err != nil || !bytes.Equal(plain, b) {
				t.Errorf("%x, %v; want %x", plain, err, b)
			}
			if _, err := them.Unprotect(bytes.Clone(sealed)); !errors.Is(err, ErrReplayed) {
				t.Errorf("the same packet again: %v", err)
			}
			for i := range sealed { // each byte is under the tag
				forged := bytes.Clone(sealed)
				forged[i] ^= 1
				if got, err := them.Unprotect(forged); err == nil {
					t.Errorf("taken with byte %d changed: %x", i, got)
				}
			}
			sealed, err = us.ProtectControl(nil, report(1))
			if err != nil {
				t.Fatal(err)
			}
			plain, err = them.UnprotectControl(bytes.Clone(sealed))
			if err != nil || !bytes.Equal(plain, report(1)) {
				t.Errorf("report %x, %v", plain, err)
			}
			if _, err := them.UnprotectControl(bytes.Clone(sealed)); !errors.Is(err, ErrReplayed) {
				t.Errorf("the same report again: %v", err)
			}
		})
	}
}

func TestForgedIsTold(t *testing.T) {
	us, them := ends(t, AES128CM80)
	_, other := ends(t, AES128CM80)
	if _, err := carry(us, other, packet(1, 1, 0)); !errors.Is(err, ErrForged) {
		t.Errorf("another key: %v", err)
	}
	for n := range 40 {
		if _, err := them.Unprotect(packet(0, 0)[:min(n, rtpHead)]); !errors.Is(err, ErrForged) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if _, err := them.UnprotectControl(report(1)[:min(n, 28)]); !errors.Is(err, ErrForged) {
			t.Errorf("a report of %d bytes: %v", n, err)
		}
	}
}

// TestLongCall: the sequence number goes round, with losses and disorder.
func TestLongCall(t *testing.T) {
	us, them := ends(t, AES128GCM)
	for i := 0; i < 3<<16; i += 7 {
		if _, err := carry(us, them, packet(uint16(i), 1, 1, 2, 3)); err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
	}
	late, _ := us.Protect(nil, packet(20000, 1, 1))
	next, _ := us.Protect(nil, packet(20001, 1, 1))
	for _, b := range [][]byte{next, late} {
		if _, err := them.Unprotect(b); err != nil {
			t.Error(err)
		}
	}
	if p := us.Position(); p.Out != 3<<16|20001 {
		t.Errorf("place %d of the packets out", p.Out)
	}
	if them.Position().In != 3<<16|20001 || !them.Moved() || them.Moved() {
		t.Errorf("place %d of the packets in", them.Position().In)
	}
}

// TestResume: another process goes on wherever within half a round.
func TestResume(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		at := rapid.Uint64Range(1, 5<<16).Draw(rt, "place")
		gone := rapid.Uint64Range(1, 1<<15).Draw(rt, "since")
		us, them := ends(t, AES128CM32)
		// What a long call has come to, without the call.
		us.Resume(Position{Out: at, Heard: 9, In: at})
		them.Resume(Position{Out: at, Heard: 1, In: at})
		talk := func(place uint64) {
			if _, err := carry(us, them, packet(uint16(place), 1, 5)); err != nil {
				rt.Fatalf("to them at %d: %v", place, err)
			}
			if _, err := carry(them, us, packet(uint16(place), 9, 5)); err != nil {
				rt.Fatalf("from them at %d: %v", place, err)
			}
		}
		talk(at)
		kept := us.Position()
		for place := at; place <= at+gone; place += 1 << 13 {
			if place > at {
				talk(place)
			}
		}
		talk(at + gone + 1)
		again, err := New(us.Keys())
		if err != nil {
			rt.Fatal(err)
		}
		again.Resume(kept)
		us = again
		talk(at + gone + 2)
		if p := us.Position(); p.In != at+gone+2 || p.Out != at+gone+2 {
			rt.Fatalf("places %d and %d after %d", p.In, p.Out, at+gone+2)
		}
	})
}

// TestResumedReports: no index of SRTCP is used again, whoever a report is of.
func TestResumedReports(t *testing.T) {
	us, them := ends(t, AES128GCM)
	for i := range 5 {
		b, err := us.ProtectControl(nil, report(uint32(i%2)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := them.UnprotectControl(b); err != nil {
			t.Fatal(err)
		}
	}
	again, _ := New(us.Keys())
	again.Resume(us.Position())
	b, _ := again.ProtectControl(nil, report(1))
	if _, err := them.UnprotectControl(b); err != nil {
		t.Error(err)
	}
	if i := binary.BigEndian.Uint32(b[len(b)-4:]) &^ (1 << 31); i != 5+reportSkip+1 {
		t.Errorf("index %d", i)
	}
}

func TestRekey(t *testing.T) {
	us, them := ends(t, AES128CM80)
	us.Resume(Position{Heard: 9, In: 3<<16 | 5, Out: 1})
	them.Resume(Position{Out: 3<<16 | 5, Heard: 1, In: 1})
	talk := func(seq uint16) {
		t.Helper()
		if _, err := carry(them, us, packet(seq, 9)); err != nil {
			t.Fatalf("from them: %v", err)
		}
		if _, err := carry(us, them, packet(seq, 1)); err != nil {
			t.Fatalf("to them: %v", err)
		}
	}
	talk(6)
	k := us.Keys()
	k.Remote = NewKey(k.Suite)
	if err := us.Rekey(k); err != nil {
		t.Fatal(err)
	}
	anew, _ := New(Keys{Suite: k.Suite, Local: k.Remote, Remote: k.Local})
	anew.in = them.in
	them = anew // a party whose packets begin at place 0 with its new key
	talk(7)
}

// TestManySources: a party that changes its SSRC for ever costs no more memory.
func TestManySources(t *testing.T) {
	us, them := ends(t, AES128GCM)
	for i := range 5 * maxSources {
		sender, _ := New(us.Keys()) // of which each begins with one
		if _, err := carry(sender, them, packet(uint16(i), uint32(i))); err != nil {
			t.Fatal(err)
		}
	}
	if them.in.sources > maxSources {
		t.Errorf("%d SSRCs are kept", them.in.sources)
	}
	var err error
	for i := 0; err == nil && i < 5*maxSources; i++ {
		_, err = us.Protect(nil, packet(1, uint32(i)))
	}
	if err == nil {
		t.Error("no bound to the SSRCs of what is sent")
	}
}

func TestMKI(t *testing.T) {
	us, them := ends(t, AES128CM80)
	k := them.Keys()
	k.MKI = []byte{0, 1}
	them, _ = New(k)
	if _, err := carry(us, them, packet(1, 1, 1, 2)); !errors.Is(err, ErrForged) {
		t.Errorf("without its MKI: %v", err)
	}
	out := us.Keys()
	sealed, _ := us.Protect(nil, packet(1, 1, 1, 2))
	tag := len(sealed) - 10
	named := append(bytes.Clone(sealed[:tag]), append([]byte{0, 1}, sealed[tag:]...)...)
	if b, err := them.Unprotect(named); err != nil || !bytes.Equal(b, packet(1, 1, 1, 2)) {
		t.Errorf("%x, %v", b, err)
	}
	if out.Valid() && (Keys{Suite: None}).Valid() {
		t.Error("no keys are valid")
	}
}

// TestAllocatesNothing: what passes costs no memory.
func TestAllocatesNothing(t *testing.T) {
	for _, s := range Suites() {
		us, them := ends(t, s)
		b, room := packet(0, 1, make([]byte, 160)...), make([]byte, 0, 256)
		seq := uint16(0)
		n := testing.AllocsPerRun(200, func() {
			seq++
			binary.BigEndian.PutUint16(b[2:], seq)
			sealed, err := us.Protect(room, b)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := them.Unprotect(sealed); err != nil {
				t.Fatal(err)
			}
		})
		if n > 0 && !raceDetector {
			t.Errorf("%v: %v allocations a packet", s, n)
		}
	}
}

func TestKeysPrintNothing(t *testing.T) {
	k := Keys{Suite: AES128GCM, Local: []byte("secret-local"), Remote: []byte("secret-remote")}
	c := Crypto{Tag: 1, Suite: AES128GCM, Name: "AEAD_AES_128_GCM", Key: []byte("secret")}
	for _, v := range []any{k, &k, []Keys{k}, c, &c, []Crypto{c}, k.LogValue(), c.LogValue()} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(verb, v); bytes.Contains([]byte(text), []byte("ecret")) || bytes.Contains([]byte(text), []byte("0x73")) {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
	}
}

func BenchmarkProtect(b *testing.B) {
	for _, s := range Suites() {
		b.Run(s.String(), func(b *testing.B) {
			us, them := ends(b, s)
			p, room := packet(0, 1, make([]byte, 160)...), make([]byte, 0, 256)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				binary.BigEndian.PutUint16(p[2:], uint16(i))
				sealed, err := us.Protect(room, p)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := them.Unprotect(sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNew: what a session takes is what a standing call keeps.
func BenchmarkNew(b *testing.B) {
	for _, s := range []Suite{AES128GCM, AES128CM80} {
		b.Run(s.String(), func(b *testing.B) {
			k := Keys{Suite: s, Local: NewKey(s), Remote: NewKey(s)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := New(k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
