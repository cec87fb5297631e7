package media

import "tincan/phone/codec"

// adviseEvery is after how many packets an encoder is told of losses again:
// reports come every 5 s.
const adviseEvery = 50

// lossy is a flow that knows which share of its packets the party misses.
type lossy interface {
	FarLoss() float64
}

// FarLoss is the share of its packets that the party misses, by its last report (RFC
// 3550 6.4.1), for encoders.
func (r *RTP) FarLoss() float64 { return float64(r.fraction.Load()) / 256 }

// lossTo gives the share that the party behind a sink misses; 0: not known.
func lossTo(to Sink) float64 {
	if p, ok := to.(*path); ok {
		to = p.to
	}
	if l, ok := to.(lossy); ok {
		return l.FarLoss()
	}
	return 0
}

// advise tells the encoder of losses, now and then.
func (s *speech) advise(loss func() float64) {
	a, ok := s.encoder.(codec.Adapter)
	if !ok {
		return
	}
	if s.advised++; s.advised%adviseEvery == 0 {
		a.Adapt(loss())
	}
}

// worst is what the group's listener with the most losses misses.
func (m *Mixer) worst(g *group) (loss float64) {
	for _, s := range m.seats {
		if s.group == g && s.mouth != nil && s.mouth.voice == nil {
			loss = max(loss, lossTo(s.mouth.to))
		}
	}
	return loss
}
