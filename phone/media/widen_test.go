package media

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/phone/codec"
)

func TestWidenedAddsWhatIsMadeBehindTheCallersOwn(t *testing.T) {
	amr := codec.Format{PT: 96, Name: "amr", Clock: 8000, Channels: 1}
	wide, ok := Widened(described(sound(amr, pcmu, noise, events)), nil)
	if !ok {
		t.Fatal("nothing was added")
	}
	formats := wide.Streams[0].Formats
	if !slices.Equal(formats[:2], []codec.Format{amr, pcmu}) || !slices.Equal(formats[len(formats)-2:], []codec.Format{noise, events}) {
		t.Errorf("got %v", formats)
	}
	used := map[uint8]bool{}
	for _, f := range formats {
		if used[f.PT] {
			t.Errorf("payload type %d comes twice: %v", f.PT, formats)
		}
		used[f.PT] = true
	}
	for _, name := range codec.Made() {
		if !slices.ContainsFunc(formats, func(f codec.Format) bool { return f.Name == name }) && name != "l16" {
			t.Errorf("%s is not offered", name)
		}
	}
}

func TestWidenedKeepsToWhatTheCallerMayUse(t *testing.T) {
	wide, ok := Widened(described(sound(opus, pcmu, events)), []string{"pcmu"})
	if !ok || wide.Streams[0].Formats[0] != pcmu {
		t.Errorf("got %v, %v", wide.Streams, ok)
	}
	for name, d := range map[string]Description{
		"a codec made nowhere": described(sound(codec.Format{PT: 96, Name: "amr", Clock: 8000})),
		"a forbidden codec":    described(sound(opus)),
		"no sound":             described(Stream{Kind: Video}),
		"all there are":        described(sound(codec.Offered()...)),
	} {
		allows := []string(nil)
		if name == "a forbidden codec" {
			allows = []string{"pcmu"}
		}
		if wide, ok := Widened(d, allows); ok {
			t.Errorf("%s: got %v", name, chosen(wide))
		}
	}
}

func TestAnswerMadeIsOfTheCallersCodecs(t *testing.T) {
	amr := codec.Format{PT: 96, Name: "amr", Clock: 8000, Channels: 1}
	caller := described(sound(amr, pcmu, g722, events), Stream{Kind: Video, Name: "video"})
	callee := described(sound(codec.Format{PT: 8, Name: "pcma", Clock: 8000, Channels: 1}, events), Stream{Kind: Video, Name: "video"})
	for want, allows := range map[string][]string{
		"pcmu:0 g722:9 telephone-event:101": nil,
		"g722:9 telephone-event:101":        {"g722", "amr"},
	} {
		answer, err := AnswerMade(caller, callee, allows)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{want, "-"}, chosen(answer)); d != "" {
			t.Errorf("%v: %s", allows, d)
		}
	}
	if _, err := AnswerMade(caller, callee, []string{"amr"}); err == nil {
		t.Error("amr was made")
	}
}
