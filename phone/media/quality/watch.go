package quality

import (
	"fmt"
	"time"
)

// When something is noticed.
const (
	// silentAfter is how long nothing may come.
	silentAfter = 5 * time.Second
	// checkEvery is how long losses are counted together, and how often an account
	// has a sample at first.
	checkEvery = 5 * time.Second
	// reportsLate is how old what a party says of us may be, when it still reports:
	// two intervals of RFC 3550 and half of one.
	reportsLate = 12 * time.Second

	lossyFrom = 0.03 // share of packets: what concealment no longer hides
	// unevenFrom is in ms (RFC 3550 A.8), which where packets keep their order cannot
	// be more than two packets' length: half of that means bursts and holes.
	unevenFrom = 25
	lateFrom   = 250 * time.Millisecond
	// twice: so many checks in a row must agree, so that a moment is no trouble.
	twice = 2
)

// Kind of trouble.
type Kind uint8

// The kinds.
const (
	Silent   Kind = iota // nothing comes from the party
	Deaf                 // nothing reaches it
	LossyIn              // packets from it are lost
	LossyOut             // packets to it are lost
	Uneven               // they come unevenly
	Late                 // they take long
	kinds
)

// String names a kind, for machines.
func (k Kind) String() string {
	return [...]string{"no-audio", "not-heard", "loss-in", "loss-out", "jitter", "delay"}[k]
}

// MarshalText gives the name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads it.
func (k *Kind) UnmarshalText(b []byte) error {
	for i := range kinds {
		if i.String() == string(b) {
			*k = i
			return nil
		}
	}
	return fmt.Errorf("quality: no trouble is called %q", b)
}

// Trouble is something that users hear, in plain words.
type Trouble struct {
	Kind Kind   `json:"kind"`
	Text string `json:"text"`
	// From and Until are since the first look; Until 0: it lasts.
	From  time.Duration `json:"from"`
	Until time.Duration `json:"until,omitempty"`
}

// maxTroubles bounds the troubles of an account; later ones are told and not kept.
const maxTroubles = 32

// Watch looks at one flow. Its zero value is ready; the owner's lock guards it.
type Watch struct {
	started bool
	epoch   time.Duration
	checked mark
	sampled mark
	every   time.Duration // between samples
	account Account
	states  [kinds]state
	far     time.Duration // FarAt at the last check
}

// mark is where counters were.
type mark struct {
	at       time.Duration
	received uint64
	lost     int64
	runs     uint64
}

// state is whether a trouble lasts, and how many checks in a row said otherwise.
type state struct {
	on    bool
	count int
	place int // in the account's troubles, plus one; 0: not kept
}

// Look takes the facts of a moment, about once a second, and gives the troubles that
// began or are over by them.
func (w *Watch) Look(f *Facts, now time.Duration) (news []Trouble) {
	if !w.started {
		w.started, w.epoch, w.every = true, now, checkEvery
		w.checked, w.sampled = f.mark(now), f.mark(now)
	}
	heard := f.Since
	if f.Ever {
		heard = max(heard, f.Heard)
	}
	silent := f.Should && now-heard >= silentAfter && !(f.Pauses && f.Ever)
	w.settle(Silent, silent, f.silence, now, &news)
	reports := f.Sent > 0 && f.ReportedAt > 0 && now-f.ReportedAt < reportsLate && now-max(f.FarAt, f.Since) > reportsLate
	w.settle(Deaf, f.Should && (silent && f.unreachable() || reports), f.deafness, now, &news)
	if now-w.checked.at >= checkEvery {
		w.check(f, now, &news)
	}
	if now-w.sampled.at >= w.every {
		w.sample(f, now)
	}
	if f.Reported != nil {
		w.account.Reported = f.Reported
	}
	return news
}

func (f *Facts) mark(now time.Duration) mark { return mark{now, f.Received, f.Lost, f.Runs} }

// since gives what happened to sound from the party since a mark.
func (f *Facts) since(m mark) (loss, run float64, any bool) {
	got, lost, runs := float64(f.Received-m.received), float64(f.Lost-m.lost), float64(f.Runs-m.runs)
	if lost <= 0 || got+lost <= 0 {
		return 0, 0, got > 0
	}
	return lost / (got + lost), lost / max(runs, 1), true
}

func (w *Watch) check(f *Facts, now time.Duration, news *[]Trouble) {
	loss, run, any := f.since(w.checked)
	w.checked = f.mark(now)
	in := func() string {
		manner := ""
		if run >= 2 {
			manner = fmt.Sprintf(", %.0f in a row", run)
		}
		return fmt.Sprintf("%.0f %% of the audio from %s is lost on its way here%s: look at its Wi-Fi and at how full its uplink is", 100*loss, f.Party, manner)
	}
	w.lasting(LossyIn, any && loss >= lossyFrom, loss < lossyFrom/2, in, now, news)
	if f.FarAt != w.far { // a new report
		w.far = f.FarAt
		w.lasting(LossyOut, f.FarLoss >= lossyFrom, f.FarLoss < lossyFrom/2, func() string {
			return fmt.Sprintf("%s says that %.0f %% of the audio to it is lost: look at its Wi-Fi, and at how full its downlink and this server's uplink are", f.Party, 100*f.FarLoss)
		}, now, news)
	}
	w.lasting(Uneven, any && f.Jitter >= unevenFrom, f.Jitter < unevenFrom/2, func() string {
		return fmt.Sprintf("audio from %s comes unevenly, by %.0f ms: something else fills its uplink, or its Wi-Fi is weak", f.Party, f.Jitter)
	}, now, news)
	w.lasting(Late, f.RTT/2 >= lateFrom, f.RTT/2 < lateFrom/2, func() string {
		return fmt.Sprintf("audio takes %d ms between %s and this server, one way: people begin to talk at once", (f.RTT / 2).Milliseconds(), f.Party)
	}, now, news)
}

// lasting settles a kind that must be seen, or not be seen, twice in a row.
func (w *Watch) lasting(k Kind, bad, good bool, text func() string, now time.Duration, news *[]Trouble) {
	s := &w.states[k]
	if s.on && good || !s.on && bad {
		s.count++
	} else {
		s.count = 0
	}
	if s.count == twice {
		w.settle(k, !s.on, text, now, news)
	}
}

// settle makes a trouble begin or be over.
func (w *Watch) settle(k Kind, on bool, text func() string, now time.Duration, news *[]Trouble) {
	s := &w.states[k]
	if s.on == on {
		return
	}
	s.on, s.count = on, 0
	all := &w.account.Troubles
	if on {
		t := Trouble{Kind: k, Text: text(), From: now - w.epoch}
		s.place = 0
		if len(*all) < maxTroubles {
			*all = append(*all, t)
			s.place = len(*all)
		}
		*news = append(*news, t)
		return
	}
	t := Trouble{Kind: k, Until: now - w.epoch}
	if s.place > 0 {
		(*all)[s.place-1].Until = t.Until
		t = (*all)[s.place-1]
	}
	*news = append(*news, t)
}

// sample rates what happened since the last one.
func (w *Watch) sample(f *Facts, now time.Duration) {
	loss, run, any := f.since(w.sampled)
	w.sampled = f.mark(now)
	s := Sample{At: now - w.epoch, RTT: f.RTT}
	if any {
		s.In = f.rate(loss, run*(1-loss), f.Jitter)
	}
	if f.FarAt > 0 && now-f.FarAt < reportsLate {
		s.Out = f.rate(f.FarLoss, 1, f.FarJitter)
	}
	if s.In.MOS == 0 && s.Out.MOS == 0 {
		return
	}
	if w.account.add(s) {
		w.every *= 2
	}
	if f.Runs > 0 && f.Lost > 0 {
		w.account.Burst = round(float64(f.Lost) / float64(f.Runs))
	}
}

// rate judges one direction. A phone's buffer is taken to be twice the jitter.
func (f *Facts) rate(loss, burst, jitter float64) Direction {
	buffer := time.Duration(2 * jitter * float64(time.Millisecond))
	c := Conditions{Codec: f.Codec, Loss: loss, Burst: burst, Delay: f.RTT/2 + f.Ptime + buffer}
	return Direction{MOS: round(c.Score()), Loss: round3(loss), Jitter: round(jitter)}
}

// Account gives a copy of what is kept.
func (w *Watch) Account() Account {
	a := w.account
	a.Samples = append([]Sample(nil), a.Samples...)
	a.Troubles = append([]Trouble(nil), a.Troubles...)
	return a
}
