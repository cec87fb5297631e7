package complaint

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tincan/phone/media/speexdsp"
)

// alone tells this program that it is the process that is watched.
const alone = "TINCAN_COMPLAINT_TEST"

// What the library writes is read here, and the standard error of the process stays
// empty. The process is another one, since a test's own must keep its stderr.
func TestCatch(t *testing.T) {
	if !speexdsp.Available {
		t.Skip("this build lacks libspeexdsp")
	}
	for caught, want := range map[string]string{"no": "", "yes": "echo canceller"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestComplaining$")
		cmd.Env = append(os.Environ(), alone+"="+caught)
		var out, failed bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &failed
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s%s", err, out.String(), failed.String())
		}
		if !strings.Contains(out.String(), want) || (failed.Len() == 0) != (caught == "yes") {
			t.Errorf("caught %s: read %q, on the standard error %q", caught, out.String(), failed.String())
		}
	}
}

// TestComplaining is that process: it has the echo canceller complain.
func TestComplaining(t *testing.T) {
	caught := os.Getenv(alone)
	if caught == "" {
		t.Skip("TestCatch runs this")
	}
	if caught == "no" {
		annoy(t)
		return
	}
	said, err := Catch()
	if err != nil {
		t.Fatal(err)
	}
	annoy(t)
	if err := said.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil { // it is there, or never
		t.Fatal(err)
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	fmt.Print(line)
	if err := said.Close(); err != nil {
		t.Fatal(err)
	}
	annoy(t) // does no harm
}

// annoy gives an echo canceller sound whose loudness jumps, on either side, until it
// has given up several times: 200 s of it.
func annoy(t *testing.T) {
	t.Helper()
	p, err := speexdsp.New(8000, speexdsp.Options{EchoTail: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(1, 2))
	near, far := make([]int16, p.Frame()), make([]int16, p.Frame())
	var loud [2]float64
	for i := range 10_000 {
		if i%100 == 0 {
			loud = [2]float64{math.Pow(10, 4.5*chance.Float64()), math.Pow(10, 4.5*chance.Float64())}
		}
		for j := range near {
			near[j] = int16(loud[0] * (2*chance.Float64() - 1))
			far[j] = int16(loud[1] * (2*chance.Float64() - 1))
		}
		if err := p.Process(near, far); err != nil {
			t.Fatal(err)
		}
	}
}
