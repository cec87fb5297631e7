package quality

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Direction is how sound fared one way during a time.
type Direction struct {
	MOS    float32 // 1 to 4.5; 0: nothing is known
	Loss   float32 // share, 0 to 1
	Jitter float32 // ms
}

// Sample is one stretch of time. In JSON it is a row of numbers, since a call has
// many: seconds at its end; MOS, share lost and ms of jitter in, and out; ms of the
// round trip.
type Sample struct {
	// At is when it ended, from the first look on.
	At time.Duration
	// In is sound from the party, as it was received here; Out is sound to the
	// party, as its reports say that it received it.
	In, Out Direction
	// RTT is from here to the party and back; 0: not known.
	RTT time.Duration
}

// MarshalJSON gives the row.
func (s Sample) MarshalJSON() ([]byte, error) {
	return json.Marshal([...]float32{
		float32(s.At.Seconds()), s.In.MOS, s.In.Loss, s.In.Jitter, s.Out.MOS, s.Out.Loss, s.Out.Jitter, float32(s.RTT.Milliseconds()),
	})
}

// UnmarshalJSON reads it.
func (s *Sample) UnmarshalJSON(b []byte) error {
	var row [8]float32
	if err := json.Unmarshal(b, &row); err != nil {
		return fmt.Errorf("quality: a sample is a row of numbers: %w", err)
	}
	s.At, s.RTT = time.Duration(math.Round(float64(row[0])*1000))*time.Millisecond, time.Duration(row[7])*time.Millisecond
	s.In, s.Out = Direction{row[1], row[2], row[3]}, Direction{row[4], row[5], row[6]}
	return nil
}

// MaxSamples bounds an account: when it is full, each two neighbours become one, so
// that it spans a call of any length.
const MaxSamples = 60

// Account is what is kept of a flow: how it fared over time, and its troubles.
type Account struct {
	Samples  []Sample  `json:"samples,omitempty"`
	Troubles []Trouble `json:"troubles,omitempty"`
	// Burst is how many packets in a row were lost on average, from the party.
	Burst float32 `json:"burst,omitempty"`
	// Reported is what the party's own account said at last (RFC 3611).
	Reported *Reported `json:"reported,omitempty"`
	// Discarded is what was not used; nil: nothing.
	Discarded *Discarded `json:"discarded,omitempty"`
}

// Discarded counts datagrams that were not used.
type Discarded struct {
	Strangers uint64 `json:"strangers,omitempty"` // from an address that is not the party's
	Malformed uint64 `json:"malformed,omitempty"` // neither RTP, RTCP, STUN nor ZRTP
	Unknown   uint64 `json:"unknown,omitempty"`   // RTP of a payload type that was not agreed
	Forged    uint64 `json:"forged,omitempty"`    // not encrypted as was agreed, or before the keys were known
	Replayed  uint64 `json:"replayed,omitempty"`  // encrypted as was agreed, but came before
	Unsent    uint64 `json:"unsent,omitempty"`    // to the party: refused by the kernel, or before its address was known
}

// Reported are the figures of a VoIP metrics block (RFC 3611 4.7) that people
// understand: what the party heard of us.
type Reported struct {
	Loss    float64       `json:"loss"`               // share lost on the way
	Discard float64       `json:"discard"`            // share that came too late
	Delay   time.Duration `json:"delay,omitempty"`    // round trip
	End     time.Duration `json:"end,omitempty"`      // delay within the party's phone
	R       int           `json:"r,omitempty"`        // 0: not said
	MOS     float64       `json:"mos,omitempty"`      // of listening; 0: not said
	MOSTalk float64       `json:"mos_talk,omitempty"` // of conversation; 0: not said
	BurstMS int           `json:"burst_ms,omitempty"`
	// BurstShare is lost or discarded during bursts, 0 to 1.
	BurstShare float64 `json:"burst_share,omitempty"`
}

// add puts a sample at the end. It is true when samples span twice the time from now
// on.
func (a *Account) add(s Sample) (wider bool) {
	a.Samples = append(a.Samples, s)
	if len(a.Samples) < MaxSamples {
		return false
	}
	for i := range MaxSamples / 2 {
		a.Samples[i] = merged(a.Samples[2*i], a.Samples[2*i+1])
	}
	a.Samples = a.Samples[:MaxSamples/2]
	return true
}

func merged(a, b Sample) Sample {
	return Sample{At: b.At, In: mean(a.In, b.In), Out: mean(a.Out, b.Out), RTT: max(a.RTT, b.RTT)}
}

func mean(a, b Direction) Direction {
	switch {
	case a.MOS == 0:
		return b
	case b.MOS == 0:
		return a
	}
	return Direction{MOS: round((a.MOS + b.MOS) / 2), Loss: round3((a.Loss + b.Loss) / 2), Jitter: max(a.Jitter, b.Jitter)}
}

// Worst gives the lowest MOS of either direction; 0: nothing is known.
func (a *Account) Worst() (in, out float32) {
	for _, s := range a.Samples {
		in, out = lower(in, s.In.MOS), lower(out, s.Out.MOS)
	}
	return in, out
}

func lower(a, b float32) float32 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Average gives the mean MOS of either direction; 0: nothing is known.
func (a *Account) Average() (in, out float32) {
	var sum, n [2]float32
	for _, s := range a.Samples {
		for i, mos := range []float32{s.In.MOS, s.Out.MOS} {
			if mos > 0 {
				sum[i], n[i] = sum[i]+mos, n[i]+1
			}
		}
	}
	for i := range sum {
		if n[i] > 0 {
			sum[i] = round(sum[i] / n[i])
		}
	}
	return sum[0], sum[1]
}

type number interface{ ~float32 | ~float64 }

func round[N number](v N) float32  { return float32(math.Round(float64(v)*100) / 100) }
func round3[N number](v N) float32 { return float32(math.Round(float64(v)*1000) / 1000) }
