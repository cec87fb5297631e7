package media

import (
	"slices"

	"tincan/phone/codec"
)

// Widened adds to the caller's codecs those that can be made from one of them,
// behind the caller's own, for a callee that takes none of these: what it chooses
// is transcoded. It is false when there is nothing to add, or no codec that the
// caller may use is made here. What the caller may not use is left out.
func Widened(caller Description, callerAllows []string) (Description, bool) {
	i := slices.IndexFunc(caller.Streams, func(s Stream) bool { return s.Kind == Audio && !s.Refused() })
	if i < 0 {
		return caller, false
	}
	out := Description{Streams: slices.Clone(caller.Streams)}
	line := &out.Streams[i]
	voice := allowed(line.Voice(), callerAllows)
	if !slices.ContainsFunc(voice, made) {
		return caller, false
	}
	line.Formats = voice
	for _, f := range codec.Offered() {
		if slices.ContainsFunc(line.Formats, f.Same) {
			continue
		}
		if f.PT = free(f.PT, caller.Streams[i].Formats, line.Formats); f.PT <= lastPT {
			line.Formats = append(line.Formats, f)
		}
	}
	grown := len(line.Formats) > len(voice)
	for _, f := range caller.Streams[i].Formats {
		if Auxiliary(f) {
			line.Formats = append(line.Formats, f)
		}
	}
	return out, grown
}

// Payload types that formats without an own one may have (RFC 3551 3).
const firstPT, lastPT = 96, 127

// free gives the payload type if no format has it, else another that none has;
// above lastPT when there is none.
func free(pt uint8, lists ...[]codec.Format) uint8 {
	used := func(pt uint8) bool {
		return slices.ContainsFunc(lists, func(l []codec.Format) bool {
			return slices.ContainsFunc(l, func(f codec.Format) bool { return f.PT == pt })
		})
	}
	if !used(pt) {
		return pt
	}
	for pt = firstPT; pt <= lastPT && used(pt); pt++ {
	}
	return pt
}

func made(f codec.Format) bool { return slices.Contains(codec.Made(), f.Name) }

// AnswerMade makes the answer to the caller's offer when the callee chose a codec
// that the caller lacks: the caller's own that are made here. Other lines are
// as in AnswerFrom. It fails with NoCommonCodec when none is.
func AnswerMade(caller, callee Description, callerAllows []string) (Description, error) {
	out := Description{Streams: slices.Clone(callee.Streams)}
	for i := range out.Streams {
		s := &out.Streams[i]
		if s.Kind != Audio || s.Refused() || i >= len(caller.Streams) {
			continue
		}
		s.Formats = slices.DeleteFunc(allowed(caller.Streams[i].Voice(), callerAllows), func(f codec.Format) bool { return !made(f) })
		for _, f := range caller.Streams[i].Formats {
			if f.Name == codec.ComfortNoise { // made here too
				s.Formats = append(s.Formats, f)
			}
		}
	}
	return AnswerFrom(caller, out)
}
