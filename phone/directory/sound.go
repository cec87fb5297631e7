package directory

import (
	"fmt"
	"slices"
	"strings"

	"tincan/config/form"
	"tincan/phone/media"
)

// Sound is how a party's sound and keys are treated.
type Sound struct {
	DTMF  string   // one of DTMFs
	Clean []string // of Cleanings, in their order
}

// How keys go between the server and a party.
const (
	DTMFAuto   = "auto"   // telephone events (RFC 4733) where agreed, else INFO
	DTMFInband = "inband" // tones in the sound, both ways
	DTMFInfo   = "info"   // SIP INFO, whatever else could be agreed
)

// What is done to a party's sound before others hear it.
const (
	CleanEcho  = "echo"  // what it was sent and sends back is taken out
	CleanLevel = "level" // soft and loud voices are brought to one level
	CleanNoise = "noise" // steady noise is dampened
)

// Cleaning says what is done to the party's sound, for media.
func (s Sound) Cleaning() media.Clean {
	return media.Clean{
		Echo:  slices.Contains(s.Clean, CleanEcho),
		Level: slices.Contains(s.Clean, CleanLevel),
		Noise: slices.Contains(s.Clean, CleanNoise),
	}
}

// Treatment says, for people, for what the party's sound is decoded though its codec
// need not be changed; "": for nothing.
func (s Sound) Treatment() string {
	var parts []string
	if s.DTMF == DTMFInband {
		parts = append(parts, `dtmf = "inband"`)
	}
	if len(s.Clean) > 0 && media.CanClean() {
		parts = append(parts, `clean = ["`+strings.Join(s.Clean, `", "`)+`"]`)
	}
	return strings.Join(parts, ", ")
}

func dtmfs() []string { return []string{DTMFAuto, DTMFInband, DTMFInfo} }

func cleanings() []string { return []string{CleanEcho, CleanLevel, CleanNoise} }

// sound makes it of the fields of a checked form.
func sound(dtmf string, clean []string) Sound {
	if dtmf == "" {
		dtmf = DTMFAuto
	}
	return Sound{dtmf, ordered(clean)}
}

// ordered writes what is to be cleaned in one way.
func ordered(clean []string) (out []string) {
	for _, c := range cleanings() {
		if slices.Contains(clean, c) {
			out = append(out, c)
		}
	}
	return out
}

// Sound tells how the sound of a party, extension:NUMBER or trunk:NAME, is
// treated; any other's as by default.
func (s *Snapshot) Sound(party string) Sound {
	kind, name, _ := strings.Cut(party, ":")
	if e := s.extensions[name]; e != nil && kind == (Extensions{}).Kind() {
		return e.Sound
	}
	if t := s.trunks[name]; t != nil && kind == (Trunks{}).Kind() {
		return t.Sound
	}
	return Sound{DTMF: DTMFAuto}
}

// Cleaned gives the parties whose sound is cleaned.
func (s *Snapshot) Cleaned() (parties []string) {
	for _, e := range s.sorted {
		if len(e.Sound.Clean) > 0 {
			parties = append(parties, (Extensions{}).Kind()+":"+e.Number)
		}
	}
	for _, t := range s.Trunks() {
		if len(t.Sound.Clean) > 0 {
			parties = append(parties, t.Ref())
		}
	}
	return parties
}

// normalSound writes the same in one way: the default as nothing.
func normalSound(dtmf *string, clean *[]string) {
	if *dtmf == DTMFAuto {
		*dtmf = ""
	}
	if known := ordered(*clean); len(known) == len(*clean) {
		*clean = known // else Check says what is wrong
	}
}

func (p *problems) sound(dtmf string, clean []string) {
	p.word("dtmf", dtmf, dtmfs())
	for i, c := range clean {
		field := fmt.Sprintf("clean[%d]", i)
		switch {
		case slices.Contains(clean[:i], c):
			p.add(field, fmt.Sprintf("%q comes twice", c), "remove one")
		case !slices.Contains(cleanings(), c):
			p.add(field, fmt.Sprintf("%q is not known", c), form.Suggest(c, cleanings()))
		}
	}
}
