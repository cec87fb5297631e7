package deck

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/media/file"
)

// counting is sound whose samples count up from one.
type counting struct {
	rate, left int
	at         int16
	hang       chan struct{} // if there: Read waits for it to close
	end        error
}

func (c *counting) Rate() int    { return c.rate }
func (c *counting) Close() error { return nil }

func (c *counting) Read(pcm []int16) (int, error) {
	if c.hang != nil {
		<-c.hang
	}
	n := min(len(pcm), c.left)
	for i := range n {
		c.at++
		pcm[i] = c.at
	}
	if c.left -= n; c.left == 0 {
		return n, c.end
	}
	return n, nil
}

func item(r file.Reader) Item { return func() (file.Reader, error) { return r, nil } }

// heard pulls a player dry, as a mix does.
func heard(p *Player) (pcm []int16) {
	s := p.Source()
	block := make([]int16, samples(blockTime, s.Rate))
	for s.Next(block) {
		pcm = append(pcm, block...)
		time.Sleep(blockTime)
	}
	s.Done()
	return pcm
}

func TestPlaySequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failed []error
		done := 0
		p := Play(PlayConfig{
			Next: Items(
				item(&counting{rate: PlayRate, left: 5000, end: io.EOF}),
				File(filepath.Join(t.TempDir(), "gone.wav")),
				item(&counting{rate: PlayRate, left: 1000, end: file.ErrCut}),
				item(&counting{rate: PlayRate, left: 100, end: io.EOF}),
			),
			Failed: func(err error) { failed = append(failed, err) },
			Done:   func() { done++ },
		})
		synctest.Wait()
		pcm := heard(p)
		if len(pcm) != 6400 { // 6,100 in whole blocks
			t.Errorf("%d samples", len(pcm))
		}
		for _, at := range []int{0, 4999, 5000, 5999, 6000, 6099} {
			if want := int16(at + 1); at >= 6000 && pcm[at] != want-6000 || at >= 5000 && at < 6000 && pcm[at] != want-5000 || at < 5000 && pcm[at] != want {
				t.Errorf("sample %d is %d", at, pcm[at])
			}
		}
		if len(failed) != 2 || !errors.Is(failed[0], fs.ErrNotExist) || !strings.Contains(failed[0].Error(), "gone.wav") || !errors.Is(failed[1], file.ErrCut) {
			t.Errorf("failed: %v", failed)
		}
		if done != 1 {
			t.Errorf("done %d times", done)
		}
	})
}

// A disk that hangs is silence, and Stop does not wait for it.
func TestPlayFromADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		p := Play(PlayConfig{Next: Items(item(&counting{rate: PlayRate, left: 1000, hang: hang, end: io.EOF}))})
		synctest.Wait()
		s, block := p.Source(), make([]int16, samples(blockTime, PlayRate))
		for range 100 {
			block[0] = 9
			if !s.Next(block) || block[0] != 0 {
				t.Fatalf("sample %d of a disk that hangs", block[0])
			}
		}
		p.Stop()
		if s.Next(block) {
			t.Error("goes on after Stop")
		}
		close(hang)
	})
}

// slow is a file that waits before each write.
type slow struct {
	mu     sync.Mutex
	pcm    []int16
	wait   chan struct{}
	err    error
	closed bool
}

func (s *slow) Write(pcm []int16) error {
	if s.wait != nil {
		<-s.wait
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.pcm = append(s.pcm, pcm...)
	return nil
}

func (s *slow) Close() error { s.closed = true; return nil }

func to(w file.Writer) func() (file.Writer, error) {
	return func() (file.Writer, error) { return w, nil }
}

func TestRecordNowhere(t *testing.T) {
	full := errors.New("no space left on device")
	r := Record(func() (file.Writer, error) { return nil, full }, RecordConfig{Rate: 8000})
	r.Take(block(1))
	if got := r.Stop(); !errors.Is(got.Err, full) || got.Length != 0 {
		t.Errorf("%+v", got)
	}
}

func block(v int16) []int16 {
	pcm := make([]int16, 160)
	for i := range pcm {
		pcm[i] = v
	}
	return pcm
}

// A disk that stops for longer than the ring holds leaves silence of the same
// length: what comes after is in its place.
func TestRecordToASlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &slow{wait: make(chan struct{})}
		r := Record(to(f), RecordConfig{Rate: 8000})
		const blocks = 600 // 12 s
		for i := range blocks {
			r.Take(block(int16(i + 1)))
		}
		synctest.Wait()
		close(f.wait)
		synctest.Wait()
		r.Take(block(-1))
		got := r.Stop()
		if !f.closed || got.Err != nil || got.Length != (blocks+1)*blockTime || len(f.pcm) != 160*(blocks+1) {
			t.Fatalf("%+v, %d samples, closed %v", got, len(f.pcm), f.closed)
		}
		if got.Lost < time.Second || got.Lost > 3*time.Second {
			t.Errorf("%v lost of 12 s with %v of room", got.Lost, behindTime)
		}
		if f.pcm[0] != 1 || f.pcm[160*599] != 0 || f.pcm[160*600] != -1 {
			t.Errorf("samples %d, %d, %d", f.pcm[0], f.pcm[160*599], f.pcm[160*600])
		}
	})
}

func TestRecordToAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left on device")
		var ended []Recording
		f := &slow{err: full}
		r := Record(to(f), RecordConfig{Rate: 8000, Ended: func(r Recording) { ended = append(ended, r) }})
		for i := range 10 {
			r.Take(block(int16(i)))
		}
		synctest.Wait()
		if len(ended) != 1 || !errors.Is(ended[0].Err, full) || !f.closed {
			t.Errorf("ended: %+v", ended)
		}
		r.Take(block(1)) // the call goes on
		if got := r.Stop(); !errors.Is(got.Err, full) {
			t.Errorf("%+v", got)
		}
	})
}

func TestRecordTheMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &slow{}
		r := Record(to(f), RecordConfig{Rate: 8000, Most: time.Second})
		for i := range 60 {
			r.Take(block(int16(i)))
		}
		if got := r.Stop(); got.Length != time.Second || got.Err != nil || len(f.pcm) != 8000 {
			t.Errorf("%+v, %d samples", got, len(f.pcm))
		}
	})
}

func TestNoAllocations(t *testing.T) {
	f := &slow{pcm: make([]int16, 0, 1<<20)}
	r := Record(to(f), RecordConfig{Rate: 8000})
	pcm := block(1)
	for range 100 {
		r.Take(pcm)
		time.Sleep(time.Microsecond)
	}
	if n := testing.AllocsPerRun(1000, func() { r.Take(pcm) }); n > 0.9 {
		t.Errorf("%v allocations a block", n)
	}
	r.Stop()
	p := Play(PlayConfig{Next: Items(item(&counting{rate: PlayRate, left: 1 << 30}))})
	s := p.Source()
	buf := make([]int16, samples(blockTime, PlayRate))
	if n := testing.AllocsPerRun(1000, func() { s.Next(buf) }); n > 0.1 {
		t.Errorf("%v allocations a block played", n)
	}
	s.Done()
}
