package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/phone/codec"
	"tincan/phone/media"
)

func TestFirstSound(t *testing.T) {
	format := func(pt uint8, name string, clock uint32) codec.Format {
		return codec.Format{PT: pt, Name: name, Clock: clock, Channels: 1}
	}
	line := func(kind media.Kind, formats ...codec.Format) media.Stream {
		return media.Stream{Kind: kind, RTP: media.Pending, Formats: formats}
	}
	opus, pcmu, cn, cn16 := format(96, "opus", 48000), format(0, "pcmu", 8000), format(13, codec.ComfortNoise, 8000), format(98, codec.ComfortNoise, 16000)
	event := format(101, codec.TelephoneEvent, 8000)
	for name, c := range map[string]struct {
		offer []media.Stream
		taken int // the line; -1: none
		kept  []codec.Format
	}{
		"one of two":               {[]media.Stream{line(media.Audio, pcmu, opus, event)}, 0, []codec.Format{pcmu, event}},
		"its comfort noise":        {[]media.Stream{line(media.Audio, pcmu, cn16, cn, event)}, 0, []codec.Format{pcmu, cn, event}},
		"no comfort noise of Opus": {[]media.Stream{line(media.Audio, opus, pcmu, cn)}, 0, []codec.Format{opus}},
		"behind a picture":         {[]media.Stream{line(media.Video, format(97, "vp8", 90000)), line(media.Audio, pcmu)}, 1, []codec.Format{pcmu}},
		"the first of two":         {[]media.Stream{line(media.Audio, pcmu), line(media.Audio, opus)}, 0, []codec.Format{pcmu}},
		"none":                     {[]media.Stream{line(media.Video, format(97, "vp8", 90000))}, -1, nil},
	} {
		for i, st := range first(media.Description{Streams: c.offer}).Streams {
			switch {
			case i != c.taken && !st.Refused():
				t.Errorf("%s: line %d is taken", name, i)
			case i == c.taken && cmp.Diff(c.kept, st.Formats) != "":
				t.Errorf("%s: %s", name, cmp.Diff(c.kept, st.Formats))
			}
		}
	}
}
