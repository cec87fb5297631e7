package media

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tincan/phone/codec"
)

// NoCommonCodec says which side offers what, for a 488 with a Warning.
type NoCommonCodec struct {
	Offered []string // codecs that the caller offered
	Allowed []string // codecs that the other side takes
}

func (e *NoCommonCodec) Error() string {
	return fmt.Sprintf("no common codec: the caller offers %s, the other side takes %s",
		listed(e.Offered), listed(e.Allowed))
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// OfferFrom makes the offer to a callee from the caller's: the caller's
// codecs that both sides allow, in the callee's order where it states one,
// with the caller's payload type numbers, so that nothing is transcoded
// needlessly. Lines keep their places; what is not relayed has port 0.
// The addresses are left for the leg to fill in; a Stream that is offered has
// the port placeholder Pending. It fails with NoCommonCodec.
func OfferFrom(caller Description, callerAllows, calleeAllows []string) (Description, error) {
	out := Description{Streams: make([]Stream, len(caller.Streams))}
	audio := false
	for i := range caller.Streams {
		in := &caller.Streams[i]
		out.Streams[i] = refusedCopy(in)
		switch {
		case in.Refused() || in.Kind == Other:
		case in.Kind == Audio && audio: // one line of sound is relayed
		default:
			s := offered(in, callerAllows, calleeAllows)
			if in.Kind == Audio {
				if len(s.Voice()) == 0 {
					return out, &NoCommonCodec{names(allowed(in.Voice(), callerAllows)), calleeAllows}
				}
				audio = true
			}
			if len(s.Formats) > 0 || s.Kind == Image {
				out.Streams[i] = s
			}
		}
	}
	if !audio && out.Stream(Video) == nil && out.Stream(Text) == nil && out.Stream(Image) == nil {
		return out, &NoCommonCodec{nil, calleeAllows}
	}
	return out, nil
}

// Pending marks a stream as accepted before the leg knows its port.
var Pending = netip.AddrPortFrom(netip.IPv4Unspecified(), 9)

func refusedCopy(in *Stream) Stream {
	return Stream{Kind: in.Kind, Name: in.Name, Proto: in.Proto, Raw: in.Raw, Formats: in.Formats}
}

func offered(in *Stream, callerAllows, calleeAllows []string) Stream {
	s := Stream{
		Kind: in.Kind, Name: in.Name, Proto: in.Proto, RTP: Pending, Direction: SendRecv,
		Formats: in.Formats, Raw: in.Raw, Ptime: in.Ptime, Feedback: in.Feedback, Passed: in.Passed,
	}
	if in.Kind != Audio {
		return s
	}
	s.Formats = ordered(allowed(in.Voice(), callerAllows), calleeAllows)
	s.Formats = append(s.Formats, auxiliaries(in.Formats, s.Formats)...)
	return s
}

// auxiliaries gives the caller's telephone events and comfort noise, and adds
// telephone-event where the caller lacks it: digits that come as INFO are
// played to the callee as RFC 4733.
func auxiliaries(all, voice []codec.Format) (aux []codec.Format) {
	for _, f := range all {
		if Auxiliary(f) {
			aux = append(aux, f)
		}
	}
	if len(voice) == 0 || slices.ContainsFunc(aux, isEvent) {
		return aux
	}
	used := append(slices.Clone(all), voice...)
	for pt := uint8(101); pt <= 127; pt++ {
		if !slices.ContainsFunc(used, func(f codec.Format) bool { return f.PT == pt }) {
			return append(aux, codec.Format{PT: pt, Name: "telephone-event", Clock: 8000, Channels: 1, Fmtp: "0-16"})
		}
	}
	return aux
}

func isEvent(f codec.Format) bool { return f.Name == "telephone-event" }

func allowed(f []codec.Format, names []string) []codec.Format {
	if len(names) == 0 {
		return f
	}
	return slices.DeleteFunc(slices.Clone(f), func(f codec.Format) bool { return !slices.Contains(names, f.Name) })
}

// ordered keeps the formats named, in the order of the names.
func ordered(f []codec.Format, order []string) (out []codec.Format) {
	if len(order) == 0 {
		return slices.Clone(f)
	}
	for i, n := range order {
		if slices.Contains(order[:i], n) {
			continue
		}
		for _, x := range f {
			if x.Name == n {
				out = append(out, x)
			}
		}
	}
	return out
}

func names(f []codec.Format) (out []string) {
	for _, x := range f {
		if !slices.Contains(out, x.Name) {
			out = append(out, x.Name)
		}
	}
	return out
}

// AnswerFrom makes the answer to the caller's offer from what the callee
// answered: the callee's choice under the caller's numbers. Telephone events
// are kept whenever the caller offered them: where the callee lacks them they
// become INFO. It fails with NoCommonCodec when the callee chose a codec that
// the caller never offered.
func AnswerFrom(caller, callee Description) (Description, error) {
	out := Description{Streams: make([]Stream, len(caller.Streams))}
	for i := range caller.Streams {
		in := &caller.Streams[i]
		out.Streams[i] = refusedCopy(in)
		if in.Refused() || i >= len(callee.Streams) || callee.Streams[i].Refused() || callee.Streams[i].Kind != in.Kind {
			continue
		}
		got := &callee.Streams[i]
		s := answered(in, got)
		if in.Kind == Audio && len(s.Voice()) == 0 {
			return out, &NoCommonCodec{names(in.Voice()), names(got.Voice())}
		}
		if len(s.Formats) > 0 || s.Kind == Image {
			out.Streams[i] = s
		}
	}
	return out, nil
}

func answered(in, got *Stream) Stream {
	s := Stream{
		Kind: in.Kind, Name: in.Name, Proto: in.Proto, RTP: Pending, Mux: in.Mux,
		Direction: in.Direction.Reverse(), Ptime: got.Ptime, Passed: got.Passed, Mid: in.Mid,
	}
	renumber := map[uint8]uint8{}
	for _, g := range got.Formats {
		if f, ok := counterpart(in.Formats, g, s.Formats); ok && !Auxiliary(g) {
			renumber[g.PT] = f.PT
			g.PT = f.PT
			s.Formats = append(s.Formats, g)
		}
	}
	for _, fb := range got.Feedback {
		if pt, ok := renumber[fb.PT]; ok || fb.All {
			s.Feedback = append(s.Feedback, Feedback{PT: pt, All: fb.All, Value: fb.Value})
		}
	}
	if in.Kind == Image {
		s.Raw = got.Raw
	}
	if in.Kind != Audio {
		return s
	}
	for _, f := range in.Formats {
		if isEvent(f) || Auxiliary(f) && slices.ContainsFunc(got.Formats, f.Same) {
			s.Formats = append(s.Formats, f)
		}
	}
	return s
}

// counterpart finds the same codec as f among formats, by its payload type
// where several are the same, leaving out the payload types in taken.
func counterpart(formats []codec.Format, f codec.Format, taken []codec.Format) (found codec.Format, ok bool) {
	for _, o := range formats {
		used := slices.ContainsFunc(taken, func(t codec.Format) bool { return t.PT == o.PT })
		if used || !o.Same(f) {
			continue
		}
		if !ok || o.PT == f.PT {
			found, ok = o, true
		}
	}
	return found, ok
}

// Within reduces an answer to what was offered: lines and formats that were
// not are nobody's wish, though an answer may name formats beside them (RFC
// 3264 6.1).
func Within(offer, answer Description) Description {
	out := Description{Streams: slices.Clone(answer.Streams)}
	for i := range out.Streams {
		s := &out.Streams[i]
		switch {
		case s.Refused() || s.Kind == Other || s.Kind == Image:
		case i >= len(offer.Streams) || offer.Streams[i].Refused():
			*s = refusedCopy(s)
		default:
			s.Formats = slices.DeleteFunc(slices.Clone(s.Formats), func(f codec.Format) bool {
				return !slices.ContainsFunc(offer.Streams[i].Formats, f.Same)
			})
		}
	}
	return out
}

// Brings reports whether an offer has something new that cannot be answered from
// what a standing call has in use: another codec alone, another kind of media, a
// line more. A line that the party had in its last description, and was refused,
// is not new: many phones offer their camera at every hold.
func Brings(offer, last, inUse Description) bool {
	for i := range offer.Streams {
		o := &offer.Streams[i]
		if o.Refused() || o.Kind == Other {
			continue
		}
		if !has(inUse, i, o.Kind) && !has(last, i, o.Kind) {
			return true
		}
	}
	_, err := Keep(offer, inUse)
	return err != nil
}

// has reports whether line i of d carries a kind of media.
func has(d Description, i int, k Kind) bool {
	return i < len(d.Streams) && !d.Streams[i].Refused() && d.Streams[i].Kind == k
}

// Instead makes the offer to one party of what the other wants to change: its
// lines in their places, and as many as the party has had.
func Instead(offer, had Description) (Description, error) {
	out, err := OfferFrom(offer, nil, nil)
	for i := len(out.Streams); i < len(had.Streams); i++ {
		out.Streams = append(out.Streams, refusedCopy(&had.Streams[i]))
	}
	return out, err
}

// Keep makes the answer to a new offer within a standing call: the codecs in
// use stay if the party still offers them (under its new numbers), directions
// are answered here. It fails with NoCommonCodec when the codec is gone.
func Keep(offer, inUse Description) (Description, error) {
	pad := Description{Streams: slices.Clone(inUse.Streams)}
	for i := range pad.Streams {
		if i < len(offer.Streams) && !pad.Streams[i].Refused() {
			pad.Streams[i].Ptime = 0
		}
	}
	return AnswerFrom(offer, pad)
}
