package sdp

import (
	"strings"

	"tincan/phone/media"
	"tincan/phone/media/secure"
)

// security is what the session says of how all its streams are secured.
type security struct {
	fingerprints []secure.Fingerprint
	setup        string
}

// secures takes an attribute that is about security, and reports whether it is
// one. What cannot be read secures nothing, so it is as if it were not there.
func (p *parser) secures(name, arg string) bool {
	prints, setup := &p.security.fingerprints, &p.security.setup
	if p.stream != nil {
		prints, setup = &p.stream.Fingerprints, &p.stream.Setup
	}
	switch name {
	case "crypto":
		if p.stream == nil || len(p.stream.Crypto) == MaxCrypto {
			return true
		}
		if c, err := secure.ParseCrypto(arg); err == nil {
			p.stream.Crypto = append(p.stream.Crypto, c)
		}
	case "fingerprint":
		if f, err := secure.ParseFingerprint(arg); err == nil && len(*prints) < MaxFingerprints {
			*prints = append(*prints, f)
		}
	case "setup": // RFC 4145 4
		switch role := strings.TrimSpace(arg); role {
		case "active", "passive", "actpass", "holdconn":
			*setup = role
		}
	default:
		return false
	}
	return true
}

// settle gives a stream what the session says for it, where it says nothing of its
// own.
func (s security) settle(st *media.Stream) {
	if st.Kind == media.Other || st.Kind == media.Image {
		st.Crypto, st.Fingerprints, st.Setup = nil, nil, ""
		return
	}
	if len(st.Fingerprints) == 0 {
		st.Fingerprints = s.fingerprints
	}
	if st.Setup == "" {
		st.Setup = s.setup
	}
}

func (w *writer) security(s *media.Stream) {
	for _, c := range s.Crypto {
		w.add("a=crypto:")
		w.text(c.Value())
		w.add("\r\n")
	}
	for _, f := range s.Fingerprints {
		w.add("a=fingerprint:", f.Value(), "\r\n")
	}
	if s.Setup != "" {
		w.add("a=setup:", s.Setup, "\r\n")
	}
}
