package app

import (
	"slices"
	"sync"

	"tincan/phone/call"
	"tincan/phone/codec"
	"tincan/phone/media"
	"tincan/phone/media/quality"
)

// leg is an application's side of a call (call.Leg). It answers at once.
type leg struct {
	state  state    // does not change after open
	codecs []string // that it can take; nil: any; likewise

	mu      sync.Mutex // guards what follows
	owner   call.Owner
	program program
	flows   []media.Flow
}

var _ call.Leg = (*leg)(nil)

var errSound = call.NotAcceptable.Why("an application takes part by sound")

// state is what a restart needs.
type state struct {
	ID    string            `json:"id"`
	Kind  string            `json:"kind,omitempty"`
	Name  string            `json:"name"`
	Rest  string            `json:"rest,omitempty"`
	Call  string            `json:"call,omitempty"`
	Offer media.Description `json:"offer"`
}

// first keeps one codec, beside telephone events and comfort noise, of the first
// sound, and refuses the other lines.
func first(d media.Description) media.Description {
	taken := false
	for i := range d.Streams {
		st := &d.Streams[i]
		if st.Kind != media.Audio || st.Refused() || taken {
			*st = refused(st)
			continue
		}
		taken = true
		kept := st.Voice()[:1]
		for _, f := range st.Formats {
			if f.Name == codec.TelephoneEvent || f.Name == codec.ComfortNoise && f.Clock == kept[0].Clock {
				kept = append(kept, f)
			}
		}
		st.Formats = kept
	}
	return d
}

func refused(st *media.Stream) media.Stream {
	return media.Stream{Kind: st.Kind, Name: st.Name, Proto: st.Proto, Raw: st.Raw, Formats: st.Formats}
}

// open begins the program for the line that first has kept.
func (l *leg) open(a *Apps, k kind) error {
	l.codecs = k.able()
	flows := make([]media.Flow, len(l.state.Offer.Streams))
	for i := range flows {
		if st := &l.state.Offer.Streams[i]; st.Refused() {
			continue
		}
		p, err := k.start(a, l)
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.program, flows[i] = p, p.flow()
		l.flows = flows
		l.mu.Unlock()
		return nil
	}
	return errSound
}

// hangup ends the call from the application's side.
func (l *leg) hangup() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owner != nil {
		l.owner.Post(call.Ended{Leg: l, Cause: call.Normal})
	}
}

func (l *leg) ID() string { return l.state.ID }

func (l *leg) Own(o call.Owner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner = o
}

// Able is what it was offered and takes (call.Leg).
func (l *leg) Able() media.Description { return l.state.Offer }

func (l *leg) Alert(int, *media.Description)  {}
func (l *leg) Answer(media.Description)       {}
func (l *leg) Prepare(media.Description)      {}
func (l *leg) Renew(media.Description)        {}
func (l *leg) Quality() quality.Account       { return quality.Account{} }
func (l *leg) Hangup(call.Cause)              {}
func (l *leg) Reply(media.Description, error) {}

// Digit gives a key that was pressed to the program.
func (l *leg) Digit(d media.Digit) {
	l.mu.Lock()
	p := l.program
	l.mu.Unlock()
	if p != nil {
		p.digit(byte(d.Rune))
	}
}

// Offer takes another codec: an application follows the other side as far as it can.
func (l *leg) Offer(d media.Description) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch answer, err := l.take(d); {
	case l.owner == nil:
	case err != nil:
		l.owner.Post(call.OfferRefused{Leg: l, Err: err})
	default:
		l.owner.Post(call.Reanswered{Leg: l, Answer: answer})
	}
}

// take answers an offer as the first was answered, on the line that there is a flow
// for. Without that line it errs: the sound stays as it was.
func (l *leg) take(d media.Description) (media.Description, error) {
	d, err := media.OfferFrom(d, nil, l.codecs)
	if err != nil {
		return d, err
	}
	d = first(d)
	for i := range d.Streams {
		if i < len(l.flows) && l.flows[i] != nil && !d.Streams[i].Refused() {
			return d, nil
		}
	}
	return d, errSound
}

func (l *leg) Flows() []media.Flow {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.flows)
}

func (l *leg) Release() {
	l.mu.Lock()
	p := l.program
	l.program, l.flows = nil, nil
	l.mu.Unlock()
	if p != nil {
		p.close()
	}
}

// party is the destination that was called.
func (l *leg) party() string {
	of := l.state.Kind
	if of == "" {
		of = "app"
	}
	if l.state.Rest != "" {
		return of + ":" + l.state.Name + "/" + l.state.Rest
	}
	return of + ":" + l.state.Name
}

func (l *leg) Info() call.Info {
	return call.Info{Kind: "app", Party: l.party(), Device: l.state.Name}
}

func (l *leg) State() []byte {
	b, err := call.Encode(l.state)
	if err != nil {
		return nil // cannot be: plain data
	}
	return b
}
