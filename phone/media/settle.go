package media

import (
	"fmt"
	"slices"

	"tincan/phone/codec"
)

// mixes tells a bridge that packets end in a mix.
func (s *Seat) mixes() {}

// adopt makes the terms those of whoever is joined with the seat.
func (s *Seat) adopt(other Terms) {
	terms := Terms{
		Kind: Audio, Sends: encodable(other.Accepts), Accepts: decodable(other.Sends),
		Ptime: other.Ptime, steady: other.steady, keys: other.keys, Clean: other.Clean,
	}
	if other.Kind != Audio || len(terms.Sends)+len(terms.Accepts) == 0 {
		terms = linearTerms(8000) // there is no way to these, as the bridge will say
	}
	// A party's terms: what the seat accepts, it sends.
	_ = s.settle(Terms{Kind: Audio, Sends: terms.Accepts, Accepts: terms.Sends, Ptime: terms.Ptime, steady: terms.steady, keys: terms.keys, Clean: terms.Clean})
}

func encodable(formats []codec.Format) []codec.Format {
	kept := slices.DeleteFunc(slices.Clone(formats), func(f codec.Format) bool {
		_, err := codec.NewEncoder(f)
		return f.Name != codec.ComfortNoise && (!f.Sound() || err != nil)
	})
	if _, ok := firstSound(kept); !ok {
		return nil
	}
	return kept
}

func decodable(formats []codec.Format) []codec.Format {
	kept := slices.DeleteFunc(slices.Clone(formats), func(f codec.Format) bool {
		_, err := codec.NewDecoder(f)
		return f.Name != codec.ComfortNoise && (!f.Sound() || err != nil)
	})
	if _, ok := firstSound(kept); !ok {
		return nil
	}
	return kept
}

// settle takes the terms of the party, and keeps of the ear and the mouth what
// goes on.
func (s *Seat) settle(party Terms) error {
	own := Terms{Kind: Audio, Sends: party.Accepts, Accepts: party.Sends, Ptime: party.Ptime, steady: party.steady, keys: party.keys, Clean: party.Clean}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mouth != nil && sameTerms([2]Terms{own}, [2]Terms{s.terms}) {
		return nil
	}
	m := s.mixer
	m.mu.Lock()
	defer m.mu.Unlock()
	m.raise(soundRate(party))
	if err := s.listenTo(party); err != nil {
		return err
	}
	if err := s.speakAs(party); err != nil {
		return err
	}
	if s.mouth != nil {
		s.mouth.tell(s.ear.Load().far())
	}
	s.terms = own
	return nil
}

func (s *Seat) listenTo(party Terms) error {
	if _, ok := firstSound(party.Sends); !ok {
		s.ear.Store(nil)
		return nil
	}
	if e := s.ear.Load(); e != nil && e.serves(party) {
		return nil
	}
	e, err := newEar(party, s.mixer.rate, s.mixer.engine.log)
	if err != nil {
		return err
	}
	s.ear.Store(e)
	return nil
}

// speakAs makes a mouth that gives what all hear; the next tick finds its
// group.
func (s *Seat) speakAs(party Terms) error {
	f, ok := firstSound(party.Accepts)
	if !ok {
		s.mouth, s.group = nil, nil
		return nil
	}
	noise := noiseOf(f, party.Accepts)
	g, err := s.mixer.groupFor(f, noise != nil, party.Ptime)
	if err != nil {
		return fmt.Errorf("media: a seat: %w", err)
	}
	s.mouth, s.group = &mouth{format: f, noise: noise, to: s.to, source: new(Run)}, g
	return nil
}
