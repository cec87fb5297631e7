package sip

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/codec"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/media/ice"
	"tincan/phone/media/quality"
	"tincan/phone/media/sdp"
	"tincan/phone/sip/transport"
)

// session is a leg's media: one RTP flow a line that is relayed. The leg's
// mutex guards it.
type session struct {
	lines      []*media.RTP
	ices       []*ice.Socket     // before a line's ports; nil: without
	theirs     media.Description // the party's latest description
	theirsNext media.Description // its offer that is being answered
	ours       media.Description // ours, with addresses
	origin     sdp.Origin
	judged     bool // the party should be heard: its sound is judged
	lastStats  media.Stats
	lastJudged quality.Account
}

// open gets ports for the lines of d that are not refused and have none yet.
func (l *leg) open(d media.Description, p transport.Path) error {
	for len(l.lines) < len(d.Streams) {
		l.lines = append(l.lines, nil)
	}
	var opened []int
	for i := range d.Streams {
		st := &d.Streams[i]
		if st.Refused() || st.Kind == media.Other || l.lines[i] != nil {
			continue
		}
		r, err := l.s.cfg.Media.Open(st.Kind, l.s.bindAddr(p), 0, l.events(st.Kind))
		if err != nil {
			for _, j := range opened {
				l.closeLine(j)
			}
			return err
		}
		l.lines[i], opened = r, append(opened, i)
	}
	return nil
}

// bindAddr gives the address that media leave from: the one that the party
// signals with, so that answers on a multi-homed host come from where it
// looks.
func (s *Server) bindAddr(p transport.Path) netip.Addr {
	a := p.Local.Addr()
	if !a.IsValid() || a.IsUnspecified() {
		a = s.transport.Source(p.Remote)
	}
	return a
}

// events of a line. A camera may be off, and who types nothing sends nothing:
// sound alone shows that a party is gone.
func (l *leg) events(k media.Kind) media.Events {
	e := media.Events{Digit: func(d media.Digit) { l.tell(call.Pressed{Leg: l, Digit: d}) }}
	e.Worn = func() { l.tell(call.Changed{Leg: l}) }
	e.Insecure = func(err error) { l.insecure(k, err) }
	if k == media.Video {
		e.Picture = l.askPicture
	}
	if k == media.Audio {
		e.Dead = func() { l.tell(call.Silent{Leg: l}) }
		e.Trouble = func(t quality.Trouble) { l.tell(call.Troubled{Leg: l, Trouble: t}) }
	}
	return e
}

// tell posts from a media goroutine.
func (l *leg) tell(e call.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage < leaving {
		l.post(e)
	}
}

func (l *leg) closeLines() {
	for i := range l.lines {
		l.closeLine(i)
	}
}

func (l *leg) closeLine(i int) {
	if r := l.lines[i]; r != nil {
		r.Close()
		l.lines[i] = nil
		if i < len(l.ices) {
			l.ices[i] = nil // closed with its flow
		}
	}
}

func (l *leg) audio() *media.RTP {
	for i, r := range l.lines {
		if r != nil && i < len(l.ours.Streams) && l.ours.Streams[i].Kind == media.Audio {
			return r
		}
	}
	return nil
}

// describe makes d ours: our address and ports in each line that is taken,
// and the text. Lines that the first answer refuses give their ports back; those
// that a later one does keep them, since the party may want them again. mux
// only answers what was offered.
func (l *leg) describe(d media.Description) []byte {
	addr := l.s.advertise(l.path)
	d.Streams = slices.Clone(d.Streams)
	l.keysApart(d)
	for i := range d.Streams {
		st := &d.Streams[i]
		st.RTCP = netip.AddrPort{}
		if i >= len(l.lines) || l.lines[i] == nil || st.Refused() {
			st.RTP = netip.AddrPort{}
			if i < len(l.lines) && l.stage == early {
				l.closeLine(i)
			}
			continue
		}
		st.RTP = netip.AddrPortFrom(addr, l.lines[i].Port())
		l.sayICE(i, st)
	}
	l.ours = d
	if l.origin.ID == 0 {
		l.origin.ID = uint64(time.Now().UnixMicro())
	}
	l.origin.Addr = addr
	return l.write()
}

// configure tells the flows what both sides have said. Sound goes out in the
// formats that the party listed, and is expected in those that it was told.
func (l *leg) configure() {
	for i, r := range l.lines {
		if r == nil || i >= len(l.theirs.Streams) || i >= len(l.ours.Streams) {
			continue
		}
		their, our := &l.theirs.Streams[i], &l.ours.Streams[i]
		if their.Refused() || our.Refused() {
			r.Rest()
			continue
		}
		r.Configure(l.reachable(media.Remote{
			RTP: their.RTP, RTCP: their.RTCP, Mux: their.Mux && our.Mux, Direction: their.Direction,
			Formats: agreed(their, our), Keys: at(l.shields, i).Keys, Handshake: at(l.shields, i).terms(l.s.identity), Local: our.Formats, Ptime: their.Ptime, Pinned: pinned(their), Asked: heedsRTCP(their), Opaque: our.Kind == media.Image,
			Hosts:  []netip.Addr{l.path.Remote.Addr()},
			Inband: l.sound.DTMF == directory.DTMFInband, Clean: l.sound.Cleaning(),
		}))
		l.beginICE(i, their, our)
	}
	if l.judged {
		l.judge()
	}
}

// judge begins the account of the party's sound. Called with mu held.
func (l *leg) judge() {
	l.judged = true
	for i, r := range l.lines {
		if r != nil && i < len(l.ours.Streams) && l.ours.Streams[i].Kind == media.Audio {
			r.Judge(strings.TrimPrefix(l.party, "extension:"), l.ours.Streams[i].RTP)
		}
	}
}

// closeRefused gives the ports back of lines that the party's first answer
// refuses.
func (l *leg) closeRefused() {
	for i := range l.lines {
		if i >= len(l.theirs.Streams) || l.theirs.Streams[i].Refused() {
			l.closeLine(i)
		}
	}
}

// agreed gives the party's formats that we named too, in the order of whoever
// answered: the first is what is sent.
func agreed(their, our *media.Stream) (out []codec.Format) {
	for _, o := range our.Formats {
		for _, t := range their.Formats {
			if t.Same(o) {
				out = append(out, t)
				break
			}
		}
	}
	return out
}

func pinned(st *media.Stream) bool {
	return slices.ContainsFunc(st.Passed, func(a string) bool { return strings.HasPrefix(a, "zrtp-hash") })
}

// offerIn reads the description in a message. ok is false if there is none.
func offerIn(m wire.Message) (d media.Description, ok bool, err error) {
	if len(m.Body()) == 0 {
		return d, false, nil
	}
	d, _, err = sdp.Parse(m.Body())
	return d, true, err
}

// isSDP reports whether a body is a session description, as it must be said to
// be.
func isSDP(m wire.Message) bool {
	t, _, _ := strings.Cut(header(m, "Content-Type", "c"), ";")
	return strings.EqualFold(strings.TrimSpace(t), "application/sdp")
}

// described is withSDP for a message that may have nothing to describe.
func described(req *wire.Request, body []byte) {
	if body == nil {
		req.SetBody(nil)
		return
	}
	withSDP(req, body)
}

func withSDP(m interface {
	AppendHeader(wire.Header)
	SetBody([]byte)
}, body []byte,
) {
	m.AppendHeader(wire.NewHeader("Content-Type", "application/sdp"))
	m.SetBody(body)
}
