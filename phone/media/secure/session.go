package secure

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/transport/v4/replaydetector"
)

// What Unprotect gives for packets that are not believed. They say no more, since
// strangers can cause them at any rate.
var (
	ErrForged   = errors.New("secure: packet of another key, or changed on its way")
	ErrReplayed = errors.New("secure: packet that came before, or is too old")
)

const (
	// window is how far a packet may be behind the foremost, in packets: over a
	// second of sound, or a picture that came in disorder. RFC 3711 3.3.2 asks for
	// 64 at least.
	window = 128
	// maxSources bounds the SSRCs that are told apart at once. A party has one or
	// two; a telephone system behind it a new one at each change of who is heard.
	maxSources = 64
	// Room is how much longer a packet gets: tag and MKI of RTP, or with the index
	// of RTCP.
	Room = 16 + 4
)

// Session encrypts to a party and decrypts from it. Its owner guards it.
type Session struct {
	keys     Keys
	in, out  half
	replayed bool   // the latest packet came before
	report   uint32 // highest index of SRTCP that was sent: no two packets have the same, whoever they are of
	header   rtp.Header
	control  rtcp.Header
}

// half is one direction.
type half struct {
	context *srtp.Context
	ssrc    uint32 // of the latest packet
	sources int    // SSRCs that the context keeps, of both kinds
	started bool
	past    resumed
	seq     uint16 // the foremost
	moved   bool   // it came to another half of its round: Position is worth keeping again
}

// New makes a session of valid keys.
func New(k Keys) (*Session, error) {
	if !k.Valid() {
		return nil, errKeys(k)
	}
	s := &Session{keys: k}
	var err error
	if s.in.context, err = s.hearing(); err != nil {
		return nil, err
	}
	s.out.context, err = s.sending()
	return s, err
}

func errKeys(k Keys) error {
	return fmt.Errorf("secure: keys of %d and %d bytes for suite %q", len(k.Local), len(k.Remote), k.Suite)
}

func (s *Session) hearing() (*srtp.Context, error) {
	known, k := suites()[s.keys.Suite], s.keys.Remote
	c, err := srtp.CreateContext(k[:known.key], k[known.key:], known.profile,
		srtp.SRTPReplayDetectorFactory(func() replaydetector.ReplayDetector { return newWindow(lastPlace, &s.replayed) }),
		srtp.SRTCPReplayDetectorFactory(func() replaydetector.ReplayDetector { return newWindow(lastReport, &s.replayed) }),
		srtp.MasterKeyIndicator(s.keys.MKI))
	if err != nil {
		return nil, fmt.Errorf("secure: %w", err)
	}
	return c, nil
}

func (s *Session) sending() (*srtp.Context, error) {
	known, k := suites()[s.keys.Suite], s.keys.Local
	c, err := srtp.CreateContext(k[:known.key], k[known.key:], known.profile)
	if err != nil {
		return nil, fmt.Errorf("secure: %w", err)
	}
	return c, nil
}

// Keys gives what the session was made with.
func (s *Session) Keys() Keys { return s.keys }

// Rekey goes on with other keys. A direction whose key stays goes on unbroken; in
// the other the place of packets is taken to go on, or, where that does not fit,
// to begin anew: parties do the one (RFC 3711 8) or the other.
func (s *Session) Rekey(k Keys) error {
	if !k.Valid() {
		return errKeys(k)
	}
	p, before := s.Position(), s.keys
	s.keys = k
	if !before.hears(k) {
		c, err := s.hearing()
		if err != nil {
			return err
		}
		s.in = half{context: c, past: resumed{waits: p.Heard != 0, index: p.In, ssrc: p.Heard}}
	}
	if !before.sends(k) {
		c, err := s.sending()
		if err != nil {
			return err
		}
		s.out = half{context: c}
	}
	return nil
}

// Unprotect checks and decrypts an RTP packet where it lies; what is left of it is
// a part of b. Its error is ErrForged or ErrReplayed, and b is spoilt then.
func (s *Session) Unprotect(b []byte) ([]byte, error) {
	if len(b) < rtpHead {
		return nil, ErrForged
	}
	ssrc, seq := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint16(b[2:])
	h := &s.in
	if h.past.waits && ssrc == h.past.ssrc {
		return s.rejoin(b, seq)
	}
	strange := !h.started || ssrc != h.ssrc
	known := !strange
	if strange {
		_, known = h.context.ROC(ssrc)
	}
	s.replayed = false
	plain, err := h.context.DecryptRTP(b[:0], b, &s.header)
	if err != nil {
		return nil, s.verdict()
	}
	s.in.note(ssrc, seq)
	if !known {
		s.met()
	}
	return plain, nil
}

const rtpHead = 12

// verdict says why a packet is not believed.
func (s *Session) verdict() error {
	if s.replayed {
		return ErrReplayed
	}
	return ErrForged
}

// note keeps the foremost packet of a direction.
func (h *half) note(ssrc uint32, seq uint16) {
	switch {
	case !h.started || ssrc != h.ssrc:
		h.started, h.ssrc, h.seq, h.moved = true, ssrc, seq, true
	case int16(seq-h.seq) > 0:
		h.moved = h.moved || (seq^h.seq)&(1<<15) != 0
		h.seq = seq
	}
}

// met counts an SSRC that has proved itself. When there are too many, all but the
// latest are forgotten: a party alone can make that happen, to itself.
func (s *Session) met() {
	s.in.sources++
	if s.in.sources <= maxSources {
		return
	}
	roc, ok := s.in.context.ROC(s.in.ssrc)
	c, err := s.hearing()
	if err != nil {
		return // cannot be: the keys served before
	}
	if ok {
		c.SetROC(s.in.ssrc, roc)
	}
	s.in.context, s.in.sources = c, 1
}

// Protect encrypts an RTP packet into dst[:0], which must have Room more bytes
// than b, or it is allocated anew. b may begin where dst does.
func (s *Session) Protect(dst, b []byte) ([]byte, error) {
	if len(b) < rtpHead {
		return nil, ErrForged
	}
	ssrc, seq := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint16(b[2:])
	h := &s.out
	if h.past.waits {
		h.past.waits = false
		h.context.SetROC(ssrc, uint32(h.past.of(seq)>>16))
	}
	if !h.started || ssrc != h.ssrc {
		if _, known := h.context.ROC(ssrc); !known {
			if h.sources++; h.sources > maxSources { // to begin again with a key that was used would give it away
				return nil, fmt.Errorf("secure: more than %d SSRCs towards one party", maxSources)
			}
		}
	}
	out, err := h.context.EncryptRTP(dst[:0], b, &s.header)
	if err != nil {
		return nil, fmt.Errorf("secure: %w", err)
	}
	h.note(ssrc, seq)
	return out, nil
}

// UnprotectControl checks and decrypts an RTCP datagram where it lies.
func (s *Session) UnprotectControl(b []byte) ([]byte, error) {
	if len(b) < rtcpHead {
		return nil, ErrForged
	}
	_, known := s.in.context.Index(binary.BigEndian.Uint32(b[4:]))
	s.replayed = false
	plain, err := s.in.context.DecryptRTCP(b[:0], b, &s.control)
	if err != nil {
		return nil, s.verdict()
	}
	if !known {
		s.met()
	}
	return plain, nil
}

const rtcpHead = 8

// ProtectControl encrypts an RTCP datagram as Protect does RTP. Each has an index
// of its own, whoever it is of.
func (s *Session) ProtectControl(dst, b []byte) ([]byte, error) {
	if len(b) < rtcpHead {
		return nil, ErrForged
	}
	ssrc := binary.BigEndian.Uint32(b[4:])
	if _, known := s.out.context.Index(ssrc); !known {
		if s.out.sources++; s.out.sources > maxSources {
			return nil, fmt.Errorf("secure: more than %d SSRCs towards one party", maxSources)
		}
	}
	s.out.context.SetIndex(ssrc, s.report)
	out, err := s.out.context.EncryptRTCP(dst[:0], b, &s.control)
	if err != nil {
		return nil, fmt.Errorf("secure: %w", err)
	}
	s.report++
	return out, nil
}
