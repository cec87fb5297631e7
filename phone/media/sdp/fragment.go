package sdp

import (
	"fmt"
	"strings"

	"tincan/phone/media"
)

// Fragment is what came later of one line's ICE.
type Fragment struct {
	Mid string // "": by its place
	ICE media.ICE
}

// ParseFragment reads the body of an INFO that brings candidates (RFC 8840 9),
// line by line of media: at most MaxBytes, MaxLines, MaxStreams.
func ParseFragment(b []byte) ([]Fragment, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(b), MaxBytes)
	}
	var all []Fragment
	var session media.ICE
	n := 0
	for line := range lines(string(b)) {
		if n++; n > MaxLines {
			return nil, malformed(n, "more than %d lines", MaxLines)
		}
		kind, value, _ := strings.Cut(line, "=")
		switch {
		case kind == "m" && len(all) == MaxStreams:
			return nil, malformed(n, "more than %d streams", MaxStreams)
		case kind == "m":
			all = append(all, Fragment{ICE: media.ICE{Ufrag: session.Ufrag, Pwd: session.Pwd}})
		case kind == "a" && len(all) == 0:
			later(&Fragment{}, &session, value)
		case kind == "a":
			last := &all[len(all)-1]
			later(last, &last.ICE, value)
		}
	}
	return all, nil
}

func later(f *Fragment, ice *media.ICE, value string) {
	name, arg, _ := strings.Cut(strings.TrimSpace(value), ":")
	switch name {
	case "mid":
		if token(arg) && len(arg) <= maxMid {
			f.Mid = arg
		}
	case "ice-ufrag":
		ice.Ufrag = iceSecret(arg, minUfrag)
	case "ice-pwd":
		ice.Pwd = iceSecret(arg, minPwd)
	case "candidate":
		ice.Candidates = appendCandidate(ice.Candidates, arg)
	case "end-of-candidates":
		ice.Complete = true
	}
}
