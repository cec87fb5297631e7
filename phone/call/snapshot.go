package call

import "time"

// Snapshot is a call as readers see it.
type Snapshot struct {
	ID       string    `json:"id"`
	State    string    `json:"state"`
	Start    time.Time `json:"start"`
	Answered time.Time `json:"answered,omitzero"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Dialled  string    `json:"dialled"`
	Legs     []LegView `json:"legs"`
	Ways     []string  `json:"ways,omitempty"` // how each stream is carried
}

// LegView is a leg as readers see it.
type LegView struct {
	ID      string `json:"id"`
	Party   string `json:"party"`
	CallID  string `json:"sip_call_id,omitempty"`
	Remote  string `json:"remote,omitempty"`
	Codec   string `json:"codec,omitempty"`
	CodecBy string `json:"codec_by,omitempty"`
	Held    bool   `json:"held,omitempty"`
}

// Snapshot gives the call as it was after its latest message.
func (c *Call) Snapshot() Snapshot { return *c.snap.Load() }

func (c *Call) publishSnapshot() {
	s := &Snapshot{
		ID: c.id, State: c.phase.String(), Start: c.start, Answered: c.answered,
		From: c.setup.From.Ref, To: c.destination, Dialled: c.setup.Dialled,
	}
	if c.a != nil {
		s.To = c.to()
		s.Legs = append(s.Legs, view(c.a, c.sides[0]))
	}
	if c.b != nil && c.fork(c.b) == nil { // came by transfer
		s.Legs = append(s.Legs, view(c.b, c.sides[1]))
	}
	for _, f := range c.forks {
		switch {
		case f.ended:
		case f.leg == c.b:
			s.Legs = append(s.Legs, view(f.leg, c.sides[1]))
		default:
			s.Legs = append(s.Legs, view(f.leg, side{}))
		}
	}
	for _, b := range c.bridges {
		s.Ways = append(s.Ways, b.Way().String())
	}
	c.snap.Store(s)
}

func view(l Leg, s side) LegView {
	i := l.Info()
	return LegView{ID: l.ID(), Party: i.Party, CallID: i.CallID, Remote: i.Remote, Codec: s.codec, CodecBy: s.codecB, Held: s.held}
}
