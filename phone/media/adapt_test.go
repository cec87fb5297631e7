package media

import (
	"testing"
	"testing/synctest"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
)

// adapting is an encoder that remembers what it was told.
type adapting struct {
	codec.Encoder
	loss []float64
}

func (a *adapting) Adapt(loss float64) { a.loss = append(a.loss, loss) }

// What a party reports to miss reaches the encoder that speaks to it.
func TestLossReachesTheEncoder(t *testing.T) {
	for _, need := range []Way{WayTranscode, WayMix} {
		t.Run(need.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newTestEngine(t, Config{})
				a, b := newPhone(t, e, "1.1.1.1", pcmu), newPhone(t, e, "2.2.2.2", linear)
				bridge := Join(a.flow, b.flow)
				bridge.Need(need)
				m := bridge.mouths[1]
				m.mu.Lock()
				told := &adapting{Encoder: m.voice.encoder}
				m.voice.encoder = told
				m.mu.Unlock()
				b.speak()
				talk(10, a, b)
				report := rtp.Report{SSRC: b.ssrc, CNAME: "b", Received: &rtp.Received{SSRC: b.flow.line.ssrc, Fraction: 64}}
				b.send(true, b.addr, report.Append(nil))
				talk(100, a, b)
				synctest.Wait()
				if n := len(told.loss); n < 2 || told.loss[n-1] != .25 {
					t.Errorf("told %v, want 0.25", told.loss)
				}
			})
		})
	}
}
