package sip

import (
	"net/netip"
	"slices"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/media/ice"
	"tincan/phone/media/sdp"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// ICE in offers and answers (RFC 8839). Who offers it gets it; it is offered to
// browsers, and to phones whose extension says so. All others see nothing of it.
//
//	offer with ICE ──> a socket before each line's ports ──> gathered? ──> the call
//	answer: candidates of ours, all of them    ──> both look for a way
//	re-INVITE with another password            ──> both begin anew, media goes on
//	INFO with candidates (RFC 8840)            ──> are tried too
//
//	our offer with ICE ──> answered with it: both look for a way
//	                   └─> answered without: as if it had never been

// speaks reports whether a line can be reached by ICE.
func speaks(st *media.Stream) bool {
	return !st.Refused() && st.ICE != nil && !st.ICE.Mismatch && !st.Mangled()
}

// answersICE reports whether the party is answered with ICE, offersICE whether it
// is offered.
func (l *leg) answersICE() bool {
	return l.s.cfg.ICE != nil && l.s.cfg.Directory.Snapshot().ICE(l.party) != directory.ICEOff
}

func (l *leg) offersICE() bool {
	if l.s.cfg.ICE == nil {
		return false
	}
	switch l.s.cfg.Directory.Snapshot().ICE(l.party) {
	case directory.ICEOff:
		return false
	case directory.ICEWanted:
		return true
	}
	browser := l.path.Protocol == transport.WSS
	return browser || slices.ContainsFunc(l.ices, func(s *ice.Socket) bool { return s != nil })
}

// connect puts ICE before the ports of a line. Called with mu held.
func (l *leg) connect(i int, ufrag, pwd string) {
	for len(l.ices) < len(l.lines) {
		l.ices = append(l.ices, nil)
	}
	if l.lines[i] == nil || l.ices[i] != nil {
		return
	}
	o := ice.Options{Bind: l.s.bindAddr(l.path), Public: l.s.advertise(l.path), Ufrag: ufrag, Pwd: pwd, Found: l.reached}
	if l.lines[i].Terms().Kind == media.Audio { // a camera that nobody sees ends no call
		o.Failed = l.unreached
	}
	s, err := l.s.cfg.ICE.Open(l.lines[i], o)
	if err != nil { // the call may do without
		l.s.cfg.Logger.Warn("a call goes without ICE", "party", l.party, "error", err)
		return
	}
	l.ices[i] = s
}

// proposeICE makes ready to offer ICE in each line of an offer of ours, which
// takes RTCP on RTP's port then. Called with mu held.
func (l *leg) proposeICE(d media.Description) {
	if !l.offersICE() {
		return
	}
	for i := range d.Streams {
		if i < len(l.lines) && !d.Streams[i].Refused() && d.Streams[i].Kind != media.Image {
			l.connect(i, "", "")
		}
	}
}

// heedICE makes ready to answer an offer as it wants it. Called with mu held.
func (l *leg) heedICE(offer media.Description) {
	for i := range offer.Streams {
		st := &offer.Streams[i]
		if i >= len(l.lines) || l.lines[i] == nil || st.Refused() {
			continue
		}
		switch {
		case !speaks(st):
			l.withoutICE(i)
			continue
		case !l.answersICE():
			continue
		}
		l.connect(i, "", "")
		if s := l.socket(i); s != nil {
			if err := s.Heed(st.ICE); err != nil {
				l.s.cfg.Logger.Warn("ICE cannot begin anew", "party", l.party, "error", err)
			}
			if st.Mux {
				s.Single()
			}
		}
	}
}

// anewICE makes the next offer one to begin anew. Called with mu held.
func (l *leg) anewICE() {
	for _, s := range l.ices {
		if s == nil {
			continue
		}
		if err := s.Anew(); err != nil {
			l.s.cfg.Logger.Warn("ICE cannot begin anew", "party", l.party, "error", err)
		}
	}
}

func (l *leg) socket(i int) *ice.Socket {
	if i < len(l.ices) {
		return l.ices[i]
	}
	return nil
}

// withoutICE makes a line as if the party had never spoken it.
func (l *leg) withoutICE(i int) {
	if s := l.socket(i); s != nil {
		s.Off()
		l.ices[i] = nil
	}
}

// sayICE writes what is ours into a line of a description. Called with mu held.
func (l *leg) sayICE(i int, st *media.Stream) {
	st.ICE = nil
	their := &media.Stream{}
	if i < len(l.theirs.Streams) {
		their = &l.theirs.Streams[i]
	}
	s := l.socket(i)
	if s == nil {
		if their.ICE != nil && their.Mangled() && l.answersICE() {
			st.ICE = &media.ICE{Mismatch: true}
		}
		return
	}
	st.ICE = s.Local()
	if st.ICE == nil {
		return
	}
	st.Mux = st.Mux || their.Refused() || s.Shares() // of a first offer, or as agreed
	if at, control := s.Default(); at.IsValid() {
		st.RTP, st.RTCP = at, control
	}
	st.ICE.Complete = true
	if their.ICE != nil && their.ICE.Trickles() {
		st.ICE.Options = []string{"trickle"}
	}
}

// beginICE looks for the party of a line by what it said. Called with mu held.
func (l *leg) beginICE(i int, their, our *media.Stream) {
	s := l.socket(i)
	if s == nil {
		return
	}
	if !speaks(their) {
		l.withoutICE(i)
		return
	}
	remote := *their.ICE
	remote.Candidates = l.allowedCandidates(remote.Candidates)
	if err := s.Start(&remote, l.uac && l.awaited == nil, their.Mux && our.Mux); err != nil {
		l.s.cfg.Logger.Warn("ICE cannot begin", "party", l.party, "error", err)
	}
}

// allowedCandidates are those that we send to: a stranger could name anybody's, so
// only his own host is.
func (l *leg) allowedCandidates(all []media.Candidate) []media.Candidate {
	if l.party != call.Stranger {
		return all
	}
	own := l.path.Remote.Addr().Unmap()
	return slices.DeleteFunc(slices.Clone(all), func(c media.Candidate) bool {
		at, ok := c.Addr()
		return !ok || at.Addr() != own
	})
}

// gathering are what to wait for until all candidates of ours are known. Called
// with mu held.
func (l *leg) gathering() (waits []<-chan struct{}) {
	for _, s := range l.ices {
		if s != nil && l.s.cfg.ICE.Waits() {
			waits = append(waits, s.Gathered())
		}
	}
	return waits
}

// gathered calls f with mu held once they are: at once if there is nothing to wait
// for. Called with mu held.
func (l *leg) gathered(f func()) {
	waits := l.gathering()
	if len(waits) == 0 {
		f()
		return
	}
	l.s.after(waits, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		f()
	})
}

func (s *Server) after(waits []<-chan struct{}, f func()) {
	if len(waits) == 0 {
		f()
		return
	}
	s.wg.Go(func() {
		for _, w := range waits {
			<-w
		}
		f()
	})
}

// reached is told by what way media goes.
func (l *leg) reached(at netip.AddrPort, by string) {
	l.s.cfg.Logger.Info("ICE found a way", "party", l.party, "leg", l.id, "at", at, "by", by)
}

// unreached is told why nothing can be sent to the party. A call that never had a
// way is over; one that had may find another, or ends when nothing is heard.
func (l *leg) unreached(verdict string, never bool) {
	l.s.cfg.Logger.Warn("ICE: "+verdict, "party", l.party, "leg", l.id)
	l.mu.Lock()
	stands := l.stage == up || l.stage == answered
	l.mu.Unlock()
	if never && stands {
		l.fail(call.MediaTimeout.Why(verdict))
	}
}

// takeFragment is an INFO with candidates.
func (l *leg) takeFragment(tx *transaction.Server, req *wire.Request) {
	if err := l.trickled(req.Body()); err != nil {
		tx.Respond(l.s.reply(req, wire.StatusBadRequest, quoted(clip(err.Error()))))
		return
	}
	tx.Respond(l.s.reply(req, wire.StatusOK, "OK"))
}

// trickled takes candidates that came by INFO (RFC 8840 4.4).
func (l *leg) trickled(body []byte) error {
	parts, err := sdp.ParseFragment(body)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, p := range parts {
		at := slices.IndexFunc(l.theirs.Streams, func(st media.Stream) bool { return p.Mid != "" && st.Mid == p.Mid })
		if at < 0 {
			at = i
		}
		if s := l.socket(at); s != nil {
			s.Add(p.ICE.Ufrag, l.allowedCandidates(p.ICE.Candidates))
		}
	}
	return nil
}

// fragmentType is the body of such an INFO.
const fragmentType = "application/trickle-ice-sdpfrag"
