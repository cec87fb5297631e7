package file

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tincan/phone/codec"
)

// sine is sound of a frequency.
func sine(hz float64, rate, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.Round(12000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return pcm
}

// share tells how much of the sound is of a frequency, from 0 to 1.
func share(pcm []int16, hz float64, rate int) float64 {
	var re, im, all float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		re, im, all = re+cos*float64(v), im+sin*float64(v), all+float64(v)*float64(v)
	}
	if all == 0 {
		return 0
	}
	return 2 * (re*re + im*im) / all / float64(len(pcm))
}

func write(t *testing.T, path string, rate int, sides ...[]int16) {
	t.Helper()
	w, err := Create(path, rate, len(sides))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(sides[0]); i += 160 {
		var pcm []int16
		for j := i; j < min(i+160, len(sides[0])); j++ {
			for _, side := range sides {
				pcm = append(pcm, side[j])
			}
		}
		if err := w.Write(pcm); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) (pcm []int16, rate int) {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	pcm, err = all(r)
	if err != nil {
		t.Fatal(err)
	}
	return pcm, r.Rate()
}

func all(r Reader) (pcm []int16, err error) {
	var buf [333]int16
	for {
		n, err := r.Read(buf[:])
		pcm = append(pcm, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return pcm, nil
		}
		if err != nil {
			return pcm, err
		}
	}
}

func made(t *testing.T, name string) {
	t.Helper()
	if _, err := codec.NewEncoder(codec.Format{Name: name, Clock: 48000, Channels: 2}); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
}

// need finds a program of the tests' own.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("TINCAN_REQUIRE_PEERS") != "" {
			t.Fatal(err)
		}
		t.Skipf("NOT TESTED: %v", err)
	}
	return path
}

func TestWAVThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wav")
	want := sine(440, 16000, 16000*5/2)
	write(t, path, 16000, want)
	got, rate := read(t, path)
	if rate != 16000 || len(got) != len(want) {
		t.Fatalf("%d samples at %d Hz of %d at 16000", len(got), rate, len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("sample %d is %d, was %d", i, got[i], want[i])
		}
	}
	if _, err := Create(path, 8000, 1); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a recording is written over: %v", err)
	}
}

// What a process that was killed leaves can be played.
func TestKilledWriter(t *testing.T) {
	for _, ending := range Endings() {
		t.Run(ending, func(t *testing.T) {
			if ending != ".wav" {
				made(t, "opus")
			}
			path := filepath.Join(t.TempDir(), "a"+ending)
			w, err := Create(path, 8000, 1)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = w.Close() })
			if err := w.Write(sine(440, 8000, 8000*7/2)); err != nil {
				t.Fatal(err)
			}
			got, rate := read(t, path)
			if seconds := float64(len(got)) / float64(rate); seconds < 2.9 || share(got[rate:2*rate], 440, rate) < 0.95 {
				t.Errorf("%.2f s are left of 3.5, %.2f of them the tone", seconds, share(got[rate:], 440, rate))
			}
		})
	}
}

func TestOggOpusThere(t *testing.T) {
	made(t, "opus")
	for _, rate := range []int{8000, 16000, 48000} {
		path := filepath.Join(t.TempDir(), "a.opus")
		write(t, path, rate, sine(600, rate, rate*33/10))
		got, back := read(t, path)
		if back != 48000 || math.Abs(float64(len(got))/48000-3.3) > 0.03 {
			t.Errorf("%d Hz: %.3f s of 3.3", rate, float64(len(got))/48000)
		}
		if s := share(got[24000:120000], 600, 48000); s < 0.95 {
			t.Errorf("%d Hz: the tone is %.2f of the sound", rate, s)
		}
	}
}

// Both formats can be read by programs of others, each side on its own channel.
func TestOthersRead(t *testing.T) {
	left, right := sine(500, 16000, 48000), sine(1300, 16000, 48000)
	sox := need(t, "sox")
	for _, ending := range []string{".wav", ".opus"} {
		t.Run(ending, func(t *testing.T) {
			dir := t.TempDir()
			path, wav := filepath.Join(dir, "a"+ending), filepath.Join(dir, "b.wav")
			if ending == ".opus" {
				made(t, "opus")
			}
			write(t, path, 16000, left, right)
			decode := []string{sox, path, wav}
			if ending == ".opus" {
				decode = []string{need(t, "opusdec"), "--quiet", "--rate", "16000", path, wav}
			}
			if out, err := exec.Command(decode[0], decode[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for i, hz := range []float64{500, 1300} {
				side := filepath.Join(dir, "side"+strconv.Itoa(i)+".wav")
				if out, err := exec.Command(sox, wav, side, "remix", strconv.Itoa(i+1)).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				pcm, rate := read(t, side)
				if len(pcm) < 47000 || share(pcm[4000:44000], hz, rate) < 0.95 {
					t.Errorf("side %d: %d samples, %.2f of them %v Hz", i, len(pcm), share(pcm, hz, rate), hz)
				}
			}
			pcm, rate := read(t, path) // ours mixes the sides
			if l, r := share(pcm[rate/4:rate*2], 500, rate), share(pcm[rate/4:rate*2], 1300, rate); l < 0.4 || r < 0.4 {
				t.Errorf("the sides are %.2f and %.2f of the mix", l, r)
			}
		})
	}
}

// Every kind of file that others write is read.
func TestOthersWrite(t *testing.T) {
	sox := need(t, "sox")
	dir := t.TempDir()
	source := filepath.Join(dir, "source.wav")
	write(t, source, 48000, sine(700, 48000, 96000))
	for _, c := range []struct {
		name string
		args []string
		rate int
	}{
		{"pcm8.wav", []string{"-b", "8", "-r", "8000"}, 8000},
		{"pcm16.wav", []string{"-b", "16", "-r", "44100", "-c", "2"}, 44100},
		{"pcm24.wav", []string{"-b", "24"}, 48000},
		{"pcm32.wav", []string{"-b", "32"}, 48000},
		{"float.wav", []string{"-e", "floating-point", "-b", "32"}, 48000},
		{"double.wav", []string{"-e", "floating-point", "-b", "64"}, 48000},
		{"mulaw.wav", []string{"-e", "mu-law", "-r", "8000"}, 8000},
		{"alaw.wav", []string{"-e", "a-law", "-r", "8000"}, 8000},
		{"bare.ul", []string{"-r", "8000"}, 8000},
		{"bare.al", []string{"-r", "8000"}, 8000},
		{"bare.sln", []string{"-t", "raw", "-e", "signed", "-b", "16", "-r", "8000"}, 8000},
		{"bare.gsm", []string{"-r", "8000"}, 8000},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name)
			if out, err := exec.Command(sox, append(append([]string{source}, c.args...), path)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if strings.HasSuffix(path, ".gsm") {
				made(t, "opus") // gsm comes with it
			}
			pcm, rate := read(t, path)
			if seconds := float64(len(pcm)) / float64(rate); rate != c.rate || math.Abs(seconds-2) > 0.03 || share(pcm[rate/4:rate], 700, rate) < 0.95 {
				t.Errorf("%.2f s at %d Hz, %.2f of it the tone", seconds, rate, share(pcm, 700, rate))
			}
		})
	}
}

func TestMP3(t *testing.T) {
	need(t, mp3Program)
	lame := need(t, "lame")
	dir := t.TempDir()
	source, path := filepath.Join(dir, "a.wav"), filepath.Join(dir, "a.mp3")
	write(t, source, 16000, sine(700, 16000, 32000))
	if out, err := exec.Command(lame, "--quiet", source, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pcm, rate := read(t, path)
	if seconds := float64(len(pcm)) / float64(rate); seconds < 1.9 || seconds > 2.3 || share(pcm[rate/2:rate*3/2], 700, rate) < 0.95 {
		t.Errorf("%.2f s, %.2f of it the tone", seconds, share(pcm, 700, rate))
	}
	if err := os.WriteFile(path, append([]byte("ID3"), bytes.Repeat([]byte("no"), 999)...), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if pcm, err := all(r); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), path) {
		t.Errorf("%d samples of what is no MP3: %v", len(pcm), err)
	}
}

func TestNotSound(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.wav")
	write(t, whole, 8000, sine(440, 8000, 8000))
	wav, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		content []byte
		want    error
	}{
		{"text.wav", []byte("this is a letter"), ErrFormat},
		{"empty.wav", nil, ErrFormat},
		{"header.wav", wav[:40], ErrFormat},
		{"bomb.wav", append(append([]byte{}, wav[:16]...), 0xff, 0xff, 0xff, 0x7f), ErrFormat},
		{"cut.wav", wav[:len(wav)/2], ErrCut},
		{"vorbis.ogg", (&page{kind: oggFirst, lengths: []byte{7}, data: []byte("\x01vorbis")}).append(nil), ErrFormat},
		{"cut.gsm", make([]byte, 50), ErrCut},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err == nil {
			_, err = all(r)
			_ = r.Close()
		}
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) {
			if strings.Contains(err.Error(), "gsm/8000") { // a build without it
				continue
			}
			t.Errorf("%s: %v, want %v that names the file", c.name, err, c.want)
		}
	}
	if _, err := Open(filepath.Join(dir, "none.wav")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestLongWAV(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "a.wav"), 8000, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.(*wavWriter).written = math.MaxUint32 - wavHeader - 100
	if err := w.Write(make([]int16, 8000)); !errors.Is(err, ErrLong) {
		t.Errorf("a file of 4 GiB takes more: %v", err)
	}
}

// chained is one file of Ogg after another, each a stream of its own number.
func chained(t *testing.T, paths ...string) (b []byte) {
	t.Helper()
	for i, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		for {
			var p page
			if err := p.read(f); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			p.serial = uint32(100 + i)
			b = p.append(b)
		}
	}
	return b
}

// A radio begins a stream with each track, of another number and other channels.
func TestChainedOgg(t *testing.T) {
	made(t, "opus")
	dir := t.TempDir()
	one, two := filepath.Join(dir, "1.opus"), filepath.Join(dir, "2.opus")
	write(t, one, 16000, sine(500, 16000, 16000))
	write(t, two, 16000, sine(900, 16000, 16000), sine(900, 16000, 16000))
	r, err := New(io.NopCloser(bytes.NewReader(chained(t, one, two, one))), "radio")
	if err != nil {
		t.Fatal(err)
	}
	pcm, err := all(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(pcm) < 3*48000 {
		t.Fatalf("%d samples are heard, of 3 tracks of 48000", len(pcm))
	}
	for i, hz := range []float64{500, 900, 500} {
		if got := share(pcm[i*len(pcm)/3+4800:][:38400], hz, 48000); got < 0.95 {
			t.Errorf("track %d is %.2f its own tone", i+1, got)
		}
	}
	cut := chained(t, one, two)
	r, err = New(io.NopCloser(bytes.NewReader(cut[:len(chained(t, one))+60])), "radio")
	if err != nil {
		t.Fatal(err)
	}
	if pcm, err := all(r); !errors.Is(err, ErrCut) || len(pcm) < 48000 {
		t.Errorf("cut within the second head: %d samples, %v", len(pcm), err)
	}
}
