package sip

import (
	"slices"
	"strings"

	"tincan/phone/codec"
	"tincan/phone/directory"
	"tincan/phone/media"
)

// cleaning says what is done to the party's sound.
func cleaning(s directory.Sound) media.Clean {
	return media.Clean{
		Echo:  slices.Contains(s.Clean, directory.CleanEcho),
		Level: slices.Contains(s.Clean, directory.CleanLevel),
		Noise: slices.Contains(s.Clean, directory.CleanNoise),
	}
}

// treatment says, for people, for what the party's sound is decoded though its
// codec need not be changed.
func treatment(s directory.Sound) string {
	var parts []string
	if s.DTMF == directory.DTMFInband {
		parts = append(parts, `dtmf = "inband"`)
	}
	if len(s.Clean) > 0 && media.CanClean() {
		parts = append(parts, `clean = ["`+strings.Join(s.Clean, `", "`)+`"]`)
	}
	return strings.Join(parts, ", ")
}

// keysApart takes the telephone events (RFC 4733) out of what the party is told,
// if its keys are to go another way: they cannot be agreed then, whatever the
// party says. d's streams are the leg's own.
func (l *leg) keysApart(d media.Description) {
	if l.sound.DTMF == directory.DTMFAuto {
		return
	}
	for i := range d.Streams {
		if st := &d.Streams[i]; st.Kind == media.Audio {
			st.Formats = slices.DeleteFunc(slices.Clone(st.Formats), func(f codec.Format) bool { return f.Name == codec.TelephoneEvent })
		}
	}
}
