package secure

import "slices"

// Position is how far the packets of a session have come: what another process
// needs beside the keys. It stays good for half a round of the sequence number
// (11 minutes of sound); Moved tells when that is used up.
type Position struct {
	Heard  uint32 `json:"heard"`  // SSRC of the party
	In     uint64 `json:"in"`     // place of a packet from it, 48 bits
	Out    uint64 `json:"out"`    // and to it
	Report uint32 `json:"report"` // index of SRTCP to it
}

// resumed is a stream that another session began: the place of its next packet is
// after index, but less than a round.
type resumed struct {
	waits bool
	index uint64
	ssrc  uint32 // of what is heard
}

// slack is how far before the place that was kept the next packet may be: what
// came in disorder. It takes as much from the half round.
const slack = 1 << 13

// of gives the place of a sequence number.
func (r resumed) of(seq uint16) uint64 {
	from := r.index - min(r.index, slack)
	return from + uint64(seq-uint16(from))
}

// reportSkip is added to the index of SRTCP in another process, more than there
// are reports and requests for pictures within half a round.
const reportSkip = 1 << 16

// Position gives what Resume needs.
func (s *Session) Position() Position {
	p := Position{Heard: s.in.ssrc, In: s.in.place(), Out: s.out.place(), Report: s.report}
	if s.in.past.waits {
		p.Heard, p.In = s.in.past.ssrc, s.in.past.index
	}
	if s.out.past.waits {
		p.Out = s.out.past.index
	}
	return p
}

// place gives the place of the foremost packet.
func (h *half) place() uint64 {
	if !h.started {
		return 0
	}
	roc, _ := h.context.ROC(h.ssrc)
	return uint64(roc)<<16 | uint64(h.seq)
}

// Resume goes on where an earlier process was; before the first packet.
func (s *Session) Resume(p Position) {
	s.in.past = resumed{waits: p.Heard != 0, index: p.In, ssrc: p.Heard}
	s.out.past = resumed{waits: true, index: p.Out}
	s.report = p.Report + reportSkip
}

// Moved reports, once, whether Position is worth keeping again.
func (s *Session) Moved() bool {
	m := s.in.moved || s.out.moved
	s.in.moved, s.out.moved = false, false
	return m
}

// rejoin takes the first packet of a stream that goes on: its place is as it
// should be by what is known, or the party has begun anew.
func (s *Session) rejoin(b []byte, seq uint16) ([]byte, error) {
	h := &s.in
	for _, roc := range []uint32{uint32(h.past.of(seq) >> 16), 0} {
		copied := slices.Clone(b) // what fails is spoilt
		h.context.SetROC(h.past.ssrc, roc)
		s.replayed = false
		if plain, err := h.context.DecryptRTP(copied[:0], copied, &s.header); err == nil {
			h.past.waits = false
			h.note(h.past.ssrc, seq)
			return b[:copy(b, plain)], nil
		}
	}
	return nil, s.verdict()
}
