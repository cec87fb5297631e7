package frame

import "slices"

// Preference is an order of formats, the most wanted first: the element CODEC
// PREFS (8.6). Each is a letter, 'B' for the first of letters, so that the
// element is text: "fOED" is Opus, G.722, A-law, u-law.
type Preference []Format

// firstLetter stands for the first of letters. It is 'B' since the first
// implementation counted from 1.
const firstLetter = 'B'

// letters has the formats in the order of their letters; 0 where none is
// assigned. It is another order than that of the bits. It is never written to.
var letters = [...]Format{
	G723, GSM, PCMU, PCMA, G726, ADPCM, L16, LPC10, G729, Speex, SpeexWide, ILBC, G726AAL2, G722, L16Wide,
	JPEG, PNG, H261, H263, H263Plus, H264, MPEG4, RedundText, T140, Siren7, Siren14,
	26: 0, 27: G719, 36: Opus, 37: VP8,
}

// parsePreference reads the element. Letters that nobody has assigned, and
// repeated ones, are left out.
func parsePreference(b []byte) Preference {
	var p Preference
	for _, c := range b {
		i := int(c) - firstLetter
		if i >= 0 && i < len(letters) && letters[i] != 0 && !slices.Contains(p, letters[i]) {
			p = append(p, letters[i])
		}
	}
	return p
}

// appendPreference writes the letters of p; formats without one are left out.
func appendPreference(dst []byte, p Preference) []byte {
	for _, f := range p {
		if i := slices.Index(letters[:], f); i >= 0 && f != 0 {
			dst = append(dst, byte(firstLetter+i))
		}
	}
	return dst
}

// Set gives the formats of p without their order.
func (p Preference) Set() Format {
	var all Format
	for _, f := range p {
		all |= f
	}
	return all
}
