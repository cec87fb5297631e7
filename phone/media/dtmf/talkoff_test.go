package dtmf_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"tincan/phone/media/resample"
)

// speakers are voices of several languages, each in the shapes of some mouths.
var (
	speakers = []string{"en-gb", "en-us", "de", "fr-fr", "it", "ru", "es", "nl", "pl", "pt", "sv", "cmn"}
	mouths   = []string{"", "+f1", "+f2", "+f4", "+f5", "+m2", "+m3", "+m5", "+m7", "+whisper", "+croak", "+klatt3"}
)

// TestSpeechIsNoKey is the talk-off test: in an hour of speech there is no key,
// though at different levels, speeds and pitches (a minute with -short).
func TestSpeechIsNoKey(t *testing.T) {
	if _, err := exec.LookPath("espeak-ng"); err != nil {
		if os.Getenv("TINCAN_REQUIRE_PEERS") != "" {
			t.Fatal(err)
		}
		t.Skip("espeak-ng is not installed: scripts/deps test")
	}
	want := talkOff
	if testing.Short() {
		want = time.Minute
	}
	r, heard := rand.New(rand.NewPCG(7, 8)), time.Duration(0)
	for i := 0; heard < want; i++ {
		voice := speakers[i%len(speakers)] + mouths[r.IntN(len(mouths))]
		speech := speak(t, r, voice)
		heard += time.Duration(len(speech)) * time.Second / 8000
		if keys := found(t, 8000, speech); keys != "" {
			t.Errorf("%s (piece %d) presses %q", voice, i, keys)
		}
	}
	t.Logf("%v of speech", heard.Round(time.Second))
}

// speak gives about a minute of speech at 8 kHz, with its peak at a level that
// phones have.
func speak(t *testing.T, r *rand.Rand, voice string) []int16 {
	t.Helper()
	wav, err := exec.Command("espeak-ng", "--stdout", "-v", voice,
		"-s", strconv.Itoa(130+r.IntN(120)), "-p", strconv.Itoa(r.IntN(100)), babble(r)).Output()
	if err != nil {
		t.Fatalf("espeak-ng -v %s: %v", voice, err)
	}
	const header = 44
	down, err := resample.New(int(binary.LittleEndian.Uint32(wav[24:])), 8000)
	if err != nil {
		t.Fatal(err)
	}
	loudest, pcm := 1.0, make([]int16, (len(wav)-header)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(wav[header+2*i:]))
		loudest = max(loudest, math.Abs(float64(pcm[i])))
	}
	gain := 32000 * math.Pow(10, -12*r.Float64()/20) / loudest
	for i := range pcm {
		pcm[i] = int16(float64(pcm[i]) * gain)
	}
	return down.Append(nil, pcm)
}

// babble is words that no language has but every voice can say, and numbers.
func babble(r *rand.Rand) string {
	starts := strings.Fields("b d f g k l m n p r s t v z br dr gr kl pl pr st tr sh ch")
	middles := strings.Fields("a e i o u a e i o u ai ei oo ee ou ia")
	ends := strings.Fields("n m r s t l nd st rk ng a e o i")
	var text strings.Builder
	for range 150 {
		if r.IntN(6) == 0 {
			fmt.Fprintf(&text, "%d, ", r.IntN(1000))
			continue
		}
		for range 1 + r.IntN(3) {
			text.WriteString(starts[r.IntN(len(starts))] + middles[r.IntN(len(middles))])
		}
		text.WriteString(ends[r.IntN(len(ends))] + [...]string{" ", " ", ", ", ". ", "? "}[r.IntN(5)])
	}
	return text.String()
}
