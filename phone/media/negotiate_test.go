package media

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tincan/phone/codec"
)

var (
	g722     = codec.Format{PT: 9, Name: "g722", Clock: 8000, Channels: 1}
	g729     = codec.Format{PT: 18, Name: "g729", Clock: 8000, Channels: 1, Fmtp: "annexb=no"}
	noise    = codec.Format{PT: 13, Name: codec.ComfortNoise, Clock: 8000, Channels: 1}
	comparer = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.AddrPort{})}
)

func at(f codec.Format, pt uint8) codec.Format { f.PT = pt; return f }

func sound(formats ...codec.Format) Stream {
	return Stream{
		Kind: Audio, Name: "audio", Proto: "RTP/AVP", RTP: netip.MustParseAddrPort("10.0.0.1:4000"),
		Direction: SendRecv, Formats: formats,
	}
}

func described(s ...Stream) Description { return Description{Streams: s} }

// chosen names the formats of each line: "opus:96 pcmu:0"; "-" is refused.
func chosen(d Description) (lines []string) {
	for i := range d.Streams {
		s, text := &d.Streams[i], ""
		if s.Refused() {
			text = "-"
		} else {
			for _, f := range s.Formats {
				text += fmt.Sprintf(" %s:%d", f.Name, f.PT)
			}
			text = text[min(1, len(text)):]
		}
		lines = append(lines, text)
	}
	return lines
}

func TestOfferFrom(t *testing.T) {
	picture := Stream{
		Kind: Video, Name: "video", Proto: "RTP/AVP", RTP: netip.MustParseAddrPort("10.0.0.1:4002"),
		Formats: []codec.Format{{PT: 99, Name: "h264", Clock: 90000, Channels: 1}},
	}
	fax := Stream{Name: "image", Proto: "udptl", RTP: picture.RTP, Raw: []string{"t38"}}
	refused := sound(pcmu)
	refused.RTP = netip.AddrPort{}
	cases := []struct {
		name           string
		caller         Description
		callers, other []string
		want           []string
	}{
		{"all of the caller's in its order", described(sound(opus, g722, pcmu, at(events, 97))), nil, nil, []string{"opus:96 g722:9 pcmu:0 telephone-event:97"}},
		{"the callee's order", described(sound(opus, g722, pcmu, events)), nil, []string{"pcmu", "g729", "opus"}, []string{"pcmu:0 opus:96 telephone-event:101"}},
		{"named twice is once", described(sound(pcmu, events)), nil, []string{"pcmu", "pcmu"}, []string{"pcmu:0 telephone-event:101"}},
		{"what the caller is allowed", described(sound(opus, g722, pcmu, events)), []string{"pcmu", "g722"}, nil, []string{"g722:9 pcmu:0 telephone-event:101"}},
		{"digits for who has none, where there is room", described(sound(pcmu, at(opus, 101))), nil, nil, []string{"pcmu:0 opus:101 telephone-event:102"}},
		{"comfort noise stays", described(sound(pcmu, noise, events)), nil, []string{"pcmu"}, []string{"pcmu:0 cn:13 telephone-event:101"}},
		{"fax and a second line of sound keep their places", described(fax, sound(pcmu, events), sound(pcmu), picture), nil, nil, []string{"-", "pcmu:0 telephone-event:101", "-", "h264:99"}},
		{"a refused line stays so", described(refused, picture), nil, nil, []string{"-", "h264:99"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			offer, err := OfferFrom(c.caller, c.callers, c.other)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, chosen(offer)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOfferFromRefuses(t *testing.T) {
	_, err := OfferFrom(described(sound(opus, g722, events)), []string{"opus"}, []string{"pcmu", "g722"})
	var codecs *NoCommonCodec
	if !errors.As(err, &codecs) || cmp.Diff(codecs, &NoCommonCodec{[]string{"opus"}, []string{"pcmu", "g722"}}) != "" {
		t.Errorf("got %v", err)
	}
	if _, err = OfferFrom(Description{}, nil, nil); !errors.As(err, &codecs) {
		t.Errorf("got %v", err)
	}
}

func TestAnswerFrom(t *testing.T) {
	two := described(sound(opus, at(opus, 97), pcmu, events))
	cases := []struct {
		name           string
		caller, callee Description
		want           []string
	}{
		{"the caller's numbers", described(sound(at(opus, 111), pcmu, events)), described(sound(opus, at(events, 99))), []string{"opus:111 telephone-event:101"}},
		{"the callee's order", described(sound(opus, pcmu)), described(sound(pcmu, opus)), []string{"pcmu:0 opus:96"}},
		{"digits that the callee lacks", described(sound(pcmu, events)), described(sound(pcmu)), []string{"pcmu:0 telephone-event:101"}},
		{"comfort noise only if both have it", described(sound(pcmu, noise)), described(sound(pcmu)), []string{"pcmu:0"}},
		{"each of two alike by its number", two, described(sound(at(opus, 97), opus)), []string{"opus:97 opus:96 telephone-event:101"}},
		{"one named twice is once", described(sound(opus, pcmu)), described(sound(opus, at(opus, 98))), []string{"opus:96"}},
		{"fewer lines than offered", described(sound(pcmu), sound(pcmu)), described(sound(pcmu)), []string{"pcmu:0", "-"}},
		{"more lines than offered", described(sound(pcmu)), described(sound(pcmu), sound(pcmu)), []string{"pcmu:0"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			answer, err := AnswerFrom(c.caller, c.callee)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, chosen(answer)); diff != "" {
				t.Error(diff)
			}
		})
	}
	_, err := AnswerFrom(described(sound(opus, events)), described(sound(pcmu, events)))
	var codecs *NoCommonCodec
	if !errors.As(err, &codecs) || cmp.Diff(codecs, &NoCommonCodec{[]string{"opus"}, []string{"pcmu"}}) != "" {
		t.Errorf("got %v", err)
	}
}

func TestKeep(t *testing.T) {
	inUse := described(sound(opus, events))
	hold := sound(pcmu, at(opus, 111), at(events, 102))
	hold.Direction = SendOnly
	answer, err := Keep(described(hold), inUse)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"opus:111 telephone-event:102"}, chosen(answer)); diff != "" {
		t.Error(diff)
	}
	if answer.Streams[0].Direction != RecvOnly {
		t.Errorf("a hold is answered %v", answer.Streams[0].Direction)
	}
	var codecs *NoCommonCodec
	if _, err := Keep(described(sound(pcmu)), inUse); !errors.As(err, &codecs) {
		t.Errorf("the codec is gone: %v", err)
	}
}

// An answer may name what was not offered; nobody wished for it.
func TestWithin(t *testing.T) {
	offer := described(sound(pcmu, events), Stream{Kind: Video, Name: "video"})
	answer := described(sound(g722, pcmu, at(events, 96)), Stream{Kind: Video, RTP: Pending, Formats: []codec.Format{opus}}, sound(pcmu))
	if diff := cmp.Diff([]string{"pcmu:0 telephone-event:96", "-", "-"}, chosen(Within(offer, answer))); diff != "" {
		t.Error(diff)
	}
	if len(answer.Streams[0].Formats) != 3 {
		t.Error("the answer itself was changed")
	}
}

// Generators of what phones might say.
var (
	names6  = []string{"opus", "g722", "pcmu", "pcma", "g729", "speex"}
	formats = rapid.Custom(func(t *rapid.T) []codec.Format {
		all := []codec.Format{
			opus, at(opus, 111), g722, pcmu, pcma, g729,
			{PT: 98, Name: "speex", Clock: 16000, Channels: 1},
			{PT: 99, Name: "speex", Clock: 8000, Channels: 1},
			events, events2, noise,
		}
		return rapid.Permutation(all).Draw(t, "formats")[:rapid.IntRange(1, len(all)).Draw(t, "many")]
	})
	streams = rapid.Custom(func(t *rapid.T) Stream {
		s := sound(formats.Draw(t, "formats")...)
		s.Direction = Direction(rapid.IntRange(0, 3).Draw(t, "direction"))
		s.Ptime = rapid.SampledFrom([]int{0, 20, 30}).Draw(t, "ptime")
		s.Mux = rapid.Bool().Draw(t, "mux")
		switch rapid.IntRange(0, 5).Draw(t, "sort") {
		case 0:
			s.Kind, s.Name, s.Formats = Video, "video", []codec.Format{{PT: 99, Name: "vp8", Clock: 90000, Channels: 1}}
		case 1:
			s = Stream{Name: "image", Proto: "udptl", RTP: s.RTP, Raw: []string{"t38"}}
		case 2:
			s.RTP = netip.AddrPort{}
		}
		return s
	})
	descriptions = rapid.Custom(func(t *rapid.T) Description {
		return described(rapid.SliceOfN(streams, 1, 4).Draw(t, "streams")...)
	})
	allows = rapid.SliceOfN(rapid.SampledFrom(names6), 0, 8)
)

// reply is a phone's answer to an offer: some of it in any order, under any
// numbers; and, as it may, codecs that nobody asked for.
func reply(t *rapid.T, offer Description) Description {
	out := Description{Streams: slices.Clone(offer.Streams)}
	for i := range out.Streams {
		s := &out.Streams[i]
		if s.Refused() || rapid.IntRange(0, 4).Draw(t, "refuse") == 0 {
			*s = refusedCopy(s)
			continue
		}
		s.Formats = rapid.Permutation(s.Formats).Draw(t, "order")[:rapid.IntRange(1, len(s.Formats)).Draw(t, "kept")]
		s.Formats = slices.Clone(s.Formats)
		if shift := rapid.IntRange(0, 1).Draw(t, "renumber") * 20; shift > 0 {
			for j := range s.Formats {
				if f := &s.Formats[j]; f.PT >= 96 && f.PT <= 107 {
					f.PT += uint8(shift)
				}
			}
		}
		if s.Kind == Audio && rapid.Bool().Draw(t, "more") {
			s.Formats = slices.Insert(s.Formats, 0, rapid.SampledFrom([]codec.Format{g722, g729, pcma}).Draw(t, "extra"))
		}
	}
	return out
}

func TestNegotiationHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caller := descriptions.Draw(t, "caller")
		callers, callees := allows.Draw(t, "caller allows"), allows.Draw(t, "callee allows")
		offer, err := OfferFrom(caller, callers, callees)
		if err != nil {
			return
		}
		places(t, caller, offer)
		within(t, caller, offer)
		answer, err := AnswerFrom(caller, Within(offer, reply(t, offer)))
		if err != nil {
			return
		}
		places(t, caller, answer)
		within(t, caller, answer)
		for i := range answer.Streams {
			s := &answer.Streams[i]
			if s.Refused() || s.Kind != Audio {
				continue
			}
			if s.Direction != caller.Streams[i].Direction.Reverse() {
				t.Errorf("line %d: %v answers %v", i, s.Direction, caller.Streams[i].Direction)
			}
			for _, f := range s.Voice() {
				if len(callers) > 0 && !slices.Contains(callers, f.Name) || len(callees) > 0 && !slices.Contains(callees, f.Name) {
					t.Errorf("line %d: %v is not allowed", i, f)
				}
			}
		}
		stable(t, caller, answer)
	})
}

// places checks that lines are where they were, and those that are not
// relayed refused.
func places(t *rapid.T, caller, d Description) {
	if len(d.Streams) != len(caller.Streams) {
		t.Fatalf("%d lines of %d", len(d.Streams), len(caller.Streams))
	}
	for i := range d.Streams {
		in, out := &caller.Streams[i], &d.Streams[i]
		if in.Kind != out.Kind || in.Name != out.Name || in.Proto != out.Proto {
			t.Fatalf("line %d is %v, was %v", i, out, in)
		}
		if !out.Refused() && (in.Refused() || in.Kind == Other || in.Proto != "RTP/AVP") {
			t.Fatalf("line %d is taken: %v", i, in)
		}
	}
}

// within checks that formats are the caller's, by its numbers, each once.
func within(t *rapid.T, caller, d Description) {
	for i := range d.Streams {
		seen := map[uint8]bool{}
		for _, f := range d.Streams[i].Formats {
			if seen[f.PT] && !d.Streams[i].Refused() {
				t.Fatalf("line %d: payload type %d twice in %v", i, f.PT, d.Streams[i].Formats)
			}
			seen[f.PT] = true
			theirs := slices.IndexFunc(caller.Streams[i].Formats, func(o codec.Format) bool { return o.PT == f.PT })
			if theirs < 0 && f.Name == codec.TelephoneEvent {
				continue // the one that we add for digits
			}
			if theirs < 0 || !f.Same(caller.Streams[i].Formats[theirs]) {
				t.Fatalf("line %d: %v under %d is not the caller's", i, f, f.PT)
			}
		}
	}
}

// stable checks that a session refresh changes nothing.
func stable(t *rapid.T, offer, inUse Description) {
	once, err := Keep(offer, inUse)
	if err != nil {
		t.Fatalf("the offer that was accepted is refused: %v", err)
	}
	if diff := cmp.Diff(chosen(inUse), chosen(once)); diff != "" {
		t.Fatalf("kept otherwise:\n%s", diff)
	}
	twice, err := Keep(offer, once)
	if diff := cmp.Diff(once, twice, comparer); diff != "" || err != nil {
		t.Fatalf("kept otherwise the second time: %v\n%s", err, diff)
	}
}
