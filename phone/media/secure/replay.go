package secure

import "github.com/pion/transport/v4/replaydetector"

// watched is a replay window that remembers why it refused a packet: the library
// does not tell that from a tag that is wrong.
type watched struct {
	replaydetector.ReplayDetector
	refused *bool
}

// highest places of packets: 48 bits of SRTP, 31 of SRTCP.
const (
	lastPlace  = 1<<48 - 1
	lastReport = 1<<31 - 1
)

func newWindow(last uint64, refused *bool) replaydetector.ReplayDetector {
	return &watched{replaydetector.New(window, last), refused}
}

// CheckSeq is asked for each packet, before its tag is looked at.
func (w *watched) CheckSeq(place uint64) replaydetector.Token {
	t := w.ReplayDetector.(replaydetector.CheckAccepter).CheckSeq(place) // as what New gives says
	*w.refused = !t.Passed()
	return t
}

// Accept keeps a packet that was authentic.
func (w *watched) Accept(t replaydetector.Token) bool {
	return w.ReplayDetector.(replaydetector.CheckAccepter).Accept(t)
}
