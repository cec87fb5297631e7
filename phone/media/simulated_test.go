package media

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tincan/phone/codec"
)

// network is what happens to packets on their way.
type network struct {
	name     string
	loss     float64 // share
	burst    int     // packets lost in a row; 0: one
	jitter   time.Duration
	ordered  bool          // a packet that is late holds up those behind it
	twice    float64       // share that comes twice
	skew     float64       // ppm by which the sender's clock is fast
	ptime    time.Duration // 0: 20 ms
	stall    time.Duration // every ten seconds nothing comes for so long, and then all at once
	duration time.Duration // 0: a minute

	// Bounds of what is heard.
	concealed float64       // share, at most
	scaled    float64       // likewise
	p99       time.Duration // of the delay
}

func networks() []network {
	ms := time.Millisecond
	return []network{
		{name: "perfect", concealed: 0, scaled: .001, p99: 25 * ms},
		{name: "perfect, 10 ms packets", ptime: 10 * ms, scaled: .001, p99: 35 * ms},
		{name: "perfect, 60 ms packets", ptime: 60 * ms, scaled: .001, p99: 85 * ms},
		{name: "loss 1 %", loss: .01, concealed: .015, scaled: .01, p99: 45 * ms},
		{name: "loss 5 %", loss: .05, concealed: .06, scaled: .01, p99: 45 * ms},
		{name: "loss 20 %", loss: .20, concealed: .22, scaled: .01, p99: 60 * ms},
		{name: "loss 10 % in bursts of 4", loss: .10, burst: 4, concealed: .12, scaled: .02, p99: 110 * ms},
		{name: "jitter 20 ms", jitter: 20 * ms, concealed: .02, scaled: .01, p99: 60 * ms},
		{name: "jitter 60 ms", jitter: 60 * ms, concealed: .03, scaled: .02, p99: 110 * ms},
		{name: "jitter 100 ms, in order", jitter: 100 * ms, ordered: true, concealed: .03, scaled: .02, p99: 150 * ms},
		{name: "jitter 200 ms", jitter: 200 * ms, concealed: .04, scaled: .04, p99: 260 * ms},
		{name: "jitter 60 ms, loss 10 %", jitter: 60 * ms, loss: .1, concealed: .13, scaled: .02, p99: 120 * ms},
		{name: "all: jitter 100 ms, loss 5 %, 5 % twice", jitter: 100 * ms, loss: .05, twice: .05, concealed: .09, scaled: .03, p99: 160 * ms},
		{name: "stalls of 150 ms", stall: 150 * ms, concealed: .02, scaled: .03, p99: 220 * ms},
		{name: "an hour, +200 ppm", skew: 200, duration: time.Hour, concealed: .002, scaled: .002, p99: 60 * ms},
		{name: "an hour, -200 ppm", skew: -200, duration: time.Hour, concealed: .002, scaled: .002, p99: 60 * ms},
		{name: "an hour, +200 ppm, jitter 40 ms, loss 2 %", skew: 200, jitter: 40 * ms, loss: .02, duration: time.Hour, concealed: .05, scaled: .02, p99: 100 * ms},
		{name: "an hour, -200 ppm, jitter 40 ms, loss 2 %", skew: -200, jitter: 40 * ms, loss: .02, duration: time.Hour, concealed: .05, scaled: .02, p99: 100 * ms},
	}
}

// figures are what came of a network.
type figures struct {
	delays    []time.Duration // of each tick
	hearing   Hearing
	silent    int // ticks
	concealed float64
	scaled    float64
}

// mean gives the mean delay from one share of the time to another.
func (f figures) mean(from, to float64) time.Duration {
	sum, n := time.Duration(0), 0
	for _, d := range f.delays[int(from*float64(len(f.delays))):int(to*float64(len(f.delays)))] {
		sum, n = sum+d, n+1
	}
	return sum / time.Duration(max(n, 1))
}

func (f figures) p99() time.Duration {
	sorted := slices.Sorted(slices.Values(f.delays))
	return sorted[len(sorted)*99/100]
}

// voiceLike is ten seconds of a voice's pitch, with pauses.
func voiceLike() []int16 {
	pcm := make([]int16, 80000)
	phase := 0.0
	for i := range pcm {
		at := float64(i) / 8000
		hz := 130 + 40*math.Sin(2*math.Pi*at/3)
		phase += hz / 8000
		loud := max(0, math.Sin(2*math.Pi*at*1.3)) * 9000
		v := 0.0
		for k := 1; k <= 8; k++ {
			v += math.Sin(2*math.Pi*phase*float64(k)) / float64(k)
		}
		pcm[i] = int16(loud * v / 2)
	}
	return pcm
}

// coming is a packet on its way.
type coming struct {
	at     time.Duration
	number int
}

// simulate sends a voice through a network into an ear that is taken by the
// clock, and gives what came of it.
func simulate(t *testing.T, n network) figures {
	t.Helper()
	e, err := newEar(Terms{Sends: []codec.Format{linear}}, 8000, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n.ptime == 0 {
		n.ptime = 20 * time.Millisecond
	}
	if n.duration == 0 {
		n.duration = time.Minute
	}
	samples := int(n.ptime / (time.Second / 8000))
	spacing := time.Duration(float64(n.ptime) / (1 + n.skew/1e6))
	voice := voiceLike()
	wire := n.packets(spacing)
	encoder, err := codec.NewEncoder(linear)
	if err != nil {
		t.Fatal(err)
	}
	payload, out := make([]byte, 2*samples), make([]int16, 160)
	var f figures
	for now := 13 * time.Millisecond; now < n.duration; now += tickEvery {
		for ; len(wire) > 0 && wire[0].at <= now; wire = wire[1:] {
			p := wire[0]
			from := p.number * samples % (len(voice) - samples)
			k, _ := encoder.Encode(payload, voice[from:from+samples])
			e.Deliver(&Packet{
				Format: &linear, Payload: payload[:k], Time: uint32(p.number * samples), Arrival: p.at,
				seq: uint16(p.number), ssrc: 7, datagram: payload,
			})
		}
		if !e.take(out, now) {
			f.silent++
			continue
		}
		heard := e.next - int64(len(e.fifo)-e.head) - int64(len(out)) // the first sample of this tick
		sent := time.Duration(float64(heard) / 8000 * float64(time.Second) / (1 + n.skew/1e6))
		f.delays = append(f.delays, now-sent)
	}
	f.hearing = e.heard()
	f.concealed = float64(f.hearing.Concealed) / float64(f.hearing.Played)
	f.scaled = float64(f.hearing.Scaled) / float64(f.hearing.Played)
	return f
}

// packets sends them all, and gives them as they arrive.
func (n network) packets(spacing time.Duration) (wire []coming) {
	r := rand.New(rand.NewPCG(1, 2))
	last, losing := time.Duration(0), 0
	for i := 0; ; i++ {
		sent := time.Duration(i) * spacing
		if sent > n.duration {
			break
		}
		if losing == 0 && n.loss > 0 && r.Float64() < n.loss/float64(max(n.burst, 1)) {
			losing = max(n.burst, 1)
		}
		if losing > 0 {
			losing--
			continue
		}
		at := sent + time.Duration(r.Float64()*float64(n.jitter))
		if within := sent % (10 * time.Second); n.stall > 0 && within < n.stall {
			at += n.stall - within
		}
		if n.ordered {
			at = max(at, last)
		}
		last = at
		wire = append(wire, coming{at, i})
		if r.Float64() < n.twice {
			wire = append(wire, coming{at + time.Duration(r.Float64()*float64(20*time.Millisecond)), i})
		}
	}
	slices.SortStableFunc(wire, func(a, b coming) int { return int(a.at - b.at) })
	return wire
}

// The jitter buffer neither drifts nor grows, whatever the network does. The
// table is that of docs/media.md.
func TestJitterBufferOnSimulatedNetworks(t *testing.T) {
	var table strings.Builder
	for _, n := range networks() {
		if n.duration > 0 && underRace {
			continue
		}
		f := simulate(t, n)
		fmt.Fprintf(&table, "| %s | %d ms | %d ms | %.2f %% | %.2f %% | %d |\n", n.name,
			f.mean(0, 1).Milliseconds(), f.p99().Milliseconds(), 100*f.concealed, 100*f.scaled, f.hearing.Late)
		if f.concealed > n.concealed || f.scaled > n.scaled || f.p99() > n.p99 {
			t.Errorf("%s: %.4f concealed (%.4f allowed), %.4f scaled (%.4f), 99 %% of delays within %v (%v)",
				n.name, f.concealed, n.concealed, f.scaled, n.scaled, f.p99(), n.p99)
		}
		if early, late := f.mean(.1, .3), f.mean(.8, 1); late-early > 15*time.Millisecond || early-late > 40*time.Millisecond {
			t.Errorf("%s: the delay goes from %v to %v", n.name, early, late)
		}
		if f.silent > 10 { // the ear begins with one packet, and learns
			t.Errorf("%s: %d ticks without sound", n.name, f.silent)
		}
	}
	t.Logf("\n| network | delay, mean | 99 %% below | made up | scaled | late packets |\n|---|---|---|---|---|---|\n%s", table.String())
}
