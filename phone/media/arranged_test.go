package media

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArranged(t *testing.T) {
	of := func(kinds ...Kind) (d Description) {
		for _, k := range kinds {
			d.Streams = append(d.Streams, Stream{Kind: k, RTP: Pending})
		}
		return d
	}
	refused := func(d Description, lines ...int) Description {
		for _, i := range lines {
			d.Streams[i].RTP = refusedCopy(&d.Streams[i]).RTP
		}
		return d
	}
	for name, c := range map[string]struct{ d, places, want Description }{
		"in place":        {of(Audio, Video), of(Audio, Video), of(Audio, Video)},
		"fewer":           {of(Audio), of(Audio, Video), of(Audio)},
		"the other order": {of(Video, Audio), of(Audio, Video), of(Audio, Video)},
		"one more before": {of(Text, Audio), of(Audio), of(Audio)},
		"twice":           {of(Video, Audio), of(Audio, Audio), refused(of(Audio, Audio), 1)},
		"refused there":   {of(Video, Audio), refused(of(Audio, Video), 1), refused(of(Audio, Video), 1)},
		"refused here":    {refused(of(Video, Audio), 0), of(Audio), of(Audio)},
	} {
		if diff := cmp.Diff(c.want, Arranged(c.d, c.places), cmp.Comparer(func(a, b Stream) bool { return a.Kind == b.Kind && a.Refused() == b.Refused() })); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
