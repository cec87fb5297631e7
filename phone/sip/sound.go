package sip

import (
	"slices"

	"tincan/phone/codec"
	"tincan/phone/directory"
	"tincan/phone/media"
)

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
