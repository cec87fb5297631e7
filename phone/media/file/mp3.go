package file

import (
	"bufio"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// mp3Program decodes MP3. It is a program of its own since the decoders in
	// Go are kept by nobody any more, and since a damaged file harms nothing but
	// that process.
	mp3Program = "mpg123"
	// mp3Rate is what it is asked for, whatever the stream has.
	mp3Rate = 48000
	// mp3Patience is how long it may take to end once its stream is closed.
	mp3Patience = time.Second
	// mp3Says bounds what is kept of its complaints.
	mp3Says = 1 << 10
)

// isMP3 tells a tag or a frame of layer III.
func isMP3(head []byte) bool {
	return len(head) >= 3 && (string(head[:3]) == "ID3" || head[0] == 0xff && head[1]&0xe6 == 0xe2)
}

// mp3 reads what the program decodes.
type mp3 struct {
	linear
	stream io.Closer
	cmd    *exec.Cmd
	said   *complaint
	once   sync.Once
	heard  bool
}

func newMP3(in input) (Reader, error) {
	path, err := exec.LookPath(mp3Program)
	if err != nil {
		return nil, in.wrong("MP3 is read by the program %s, which is not installed: apt install %s", mp3Program, mp3Program)
	}
	said := &complaint{}
	cmd := exec.Command(path, "--quiet", "--stdout", "--mono", "--rate", strconv.Itoa(mp3Rate), "--encoding", "s16", "-")
	cmd.Stdin, cmd.Stderr, cmd.WaitDelay = in.Reader, said, mp3Patience
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, in.wrong("%w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, in.wrong("%w", err)
	}
	r := &mp3{stream: in.Closer, cmd: cmd, said: said}
	r.linear = linear{
		in:   input{bufio.NewReader(out), out, in.name},
		rate: mp3Rate, samples: samples{bits: 16, channels: 1}, left: -1,
	}
	return r, nil
}

func (r *mp3) Read(pcm []int16) (int, error) {
	n, err := r.linear.Read(pcm)
	r.heard = r.heard || n > 0
	if errors.Is(err, io.EOF) && !r.heard {
		return n, r.in.wrong("%w: %s says: %s", ErrFormat, mp3Program, r.said)
	}
	return n, err
}

// Close ends the program as well.
func (r *mp3) Close() (err error) {
	r.once.Do(func() {
		err = r.stream.Close()
		_ = r.cmd.Process.Kill() // it may be over already
		_ = r.cmd.Wait()         // killed
	})
	return err
}

// complaint keeps the start of what a program says. Its methods may be called by
// any goroutine.
type complaint struct {
	mu   sync.Mutex // guards what follows
	text []byte
}

func (c *complaint) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, b[:min(len(b), mp3Says-len(c.text))]...)
	return len(b), nil
}

func (c *complaint) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if text := strings.Join(strings.Fields(string(c.text)), " "); text != "" {
		return text
	}
	return "nothing"
}
