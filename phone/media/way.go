package media

import (
	"errors"
	"fmt"
)

// Way is how a bridge carries media, from cheap to dear.
type Way uint8

// The ways.
const (
	WayNone      Way = iota // nothing is carried
	WayKernel               // as WayRelay, and the packets never enter the process
	WayRelay                // packet in, packet out
	WayTranscode            // decoded and encoded again
	WayMix                  // decoded, summed with others, encoded
)

// String names the way as logs and call records do.
func (w Way) String() string {
	switch w {
	case WayNone:
		return "none"
	case WayKernel:
		return "kernel"
	case WayRelay:
		return "relay"
	case WayTranscode:
		return "transcode"
	case WayMix:
		return "mix"
	}
	return fmt.Sprintf("way %d", uint8(w))
}

// ErrCannotBridge says that there is no way between two flows. It comes
// wrapped with the names of both codecs.
var ErrCannotBridge = errors.New("media: cannot bridge")
