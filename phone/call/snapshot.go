package call

import (
	"slices"
	"time"

	"tincan/phone/media"
)

// Snapshot is a call as readers see it.
type Snapshot struct {
	ID       string    `json:"id"`
	State    string    `json:"state"`
	Start    time.Time `json:"start"`
	Answered time.Time `json:"answered,omitzero"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Dialled  string    `json:"dialled"`
	Number   string    `json:"number,omitempty"` // of the caller, as it is shown
	Name     string    `json:"name,omitempty"`   // likewise
	Legs     []LegView `json:"legs"`
	Ways     []string  `json:"ways,omitempty"` // how each stream is carried
	// NotKernel says for each stream why the kernel does not carry what is only
	// relayed; empty: it does, or there is no question of it.
	NotKernel []string `json:"not_kernel,omitempty"`

	bridges []*media.Bridge // to ask them anew: they change their ways by themselves
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
	// Encryption says how the party's sound is encrypted; "": not.
	Encryption string `json:"encryption,omitempty"`
	// CalledIn: the party called; else it was called, and Rang says whether it has
	// begun to ring.
	CalledIn bool `json:"called_in,omitempty"`
	Rang     bool `json:"rang,omitempty"`
	Up       bool `json:"up,omitempty"` // it is answered
	// Troubles are what users hear of the party at present, in words.
	Troubles []string `json:"troubles,omitempty"`
	// The tags of SIP's dialog, for those who may pick the call up.
	OurTag   string `json:"-"`
	TheirTag string `json:"-"`
}

// Snapshot gives the call as it was after its latest message, and how its media
// are carried now.
func (c *Call) Snapshot() Snapshot {
	s := *c.snap.Load()
	s.carried()
	return s
}

// carried asks the bridges.
func (s *Snapshot) carried() {
	s.Ways, s.NotKernel = nil, nil
	for _, b := range s.bridges {
		way, why := b.Carried()
		s.Ways = append(s.Ways, way.String())
		s.NotKernel = append(s.NotKernel, why)
	}
	if !slices.ContainsFunc(s.NotKernel, func(why string) bool { return why != "" }) {
		s.NotKernel = nil
	}
}

func (c *Call) publishSnapshot() {
	s := &Snapshot{
		ID: c.id, State: c.phase.String(), Start: c.start, Answered: c.answered,
		From: c.setup.From.Ref, To: c.destination, Dialled: c.setup.Dialled,
		Number: c.setup.From.Number, Name: c.setup.From.Name,
	}
	if c.a != nil {
		s.Legs = make([]LegView, 0, len(c.forks)+1)
		s.To = c.to()
		s.Legs = append(s.Legs, c.view(c.a, c.sides[0], c.phase >= ringing, c.phase >= answering))
	}
	if c.b != nil && c.fork(c.b) == nil { // came by transfer
		s.Legs = append(s.Legs, c.view(c.b, c.sides[1], true, true))
	}
	for _, f := range c.forks {
		switch {
		case f.ended:
		case f.leg == c.b:
			s.Legs = append(s.Legs, c.view(f.leg, c.sides[1], f.rang, c.phase >= answering))
		default:
			s.Legs = append(s.Legs, c.view(f.leg, side{}, f.rang, false))
		}
	}
	s.bridges = slices.Clone(c.bridges)
	watch := c.x.watch.Load()
	if watch != nil {
		s.carried() // before anybody else has it
	}
	c.snap.Store(s)
	if watch != nil {
		(*watch)(s)
	}
}

func (c *Call) view(l Leg, s side, rang, up bool) LegView {
	i := l.Info()
	return LegView{
		ID: l.ID(), Party: i.Party, CallID: i.CallID, Remote: i.Remote, Codec: s.codec, CodecBy: s.decided(i), Held: s.held,
		Encryption: i.Encryption, CalledIn: i.CalledIn, Rang: rang, Up: up, OurTag: i.OurTag, TheirTag: i.TheirTag,
		Troubles: c.troublesOf(l),
	}
}

// Watch has f called with every call's snapshot whenever it is made anew, in the
// order of each call, the last with State "ended"; nil ends that. f must be quick,
// must not change the snapshot and must not call the Exchange. Nobody who watches
// costs a call nothing.
func (x *Exchange) Watch(f func(*Snapshot)) {
	if f == nil {
		x.watch.Store(nil)
		return
	}
	x.watch.Store(&f)
}
