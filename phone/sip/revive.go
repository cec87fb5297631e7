package sip

import (
	"fmt"
	"net/netip"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/media"
	"tincan/phone/media/sdp"
	"tincan/phone/sip/transport"
)

// legState is what a restarted process needs of an answered leg.
type legState struct {
	ID        string             `json:"id"`
	UAC       bool               `json:"uac"`
	Party     string             `json:"party"`
	Name      string             `json:"name"`
	Key       string             `json:"key,omitempty"`
	CallID    string             `json:"call_id"`
	LocalTag  string             `json:"local_tag"`
	RemoteTag string             `json:"remote_tag"`
	Local     string             `json:"local"`
	LocalName string             `json:"local_name,omitempty"`
	Remote    string             `json:"remote"`
	RemName   string             `json:"remote_name,omitempty"`
	Target    string             `json:"target"`
	Routes    []string           `json:"routes,omitempty"`
	LocalSeq  uint32             `json:"local_seq"`
	RemoteSeq uint32             `json:"remote_seq"`
	Device    bool               `json:"device"`
	Protocol  transport.Protocol `json:"protocol"`
	From      netip.AddrPort     `json:"from"` // our end of the path
	To        netip.AddrPort     `json:"to"`
	Theirs    string             `json:"theirs"` // SDP
	Ours      string             `json:"ours"`   // likewise
	Lines     []lineState        `json:"lines"`
	Session   int                `json:"session,omitempty"` // seconds of the session timer
	Refresh   bool               `json:"refresh,omitempty"`
	Allow     string             `json:"allow,omitempty"`
	Via       []string           `json:"via,omitempty"` // of a caller's INVITE whose ACK has not come
	InviteSeq uint32             `json:"invite_seq,omitempty"`
	Wanted    int                `json:"wanted,omitempty"` // the session timer that it asked for
	Refreshes bool               `json:"refreshes,omitempty"`
	Written   time.Time          `json:"written,omitzero"`  // if there is Via
	Shields   string             `json:"shields,omitempty"` // how lines are secured, sealed
}

type lineState struct {
	Port  uint16          `json:"port"`
	Bind  netip.Addr      `json:"bind"`
	State *media.RTPState `json:"state,omitempty"` // nil while nothing was sent or heard
}

// saved gathers the leg's state. Called with mu held.
func (l *leg) saved() legState {
	st := legState{
		ID: l.id, UAC: l.uac, Party: l.party, Name: l.name, Key: l.key, CallID: l.callID, LocalTag: l.localTag, RemoteTag: l.remoteTag,
		Local: l.local.String(), LocalName: l.localName, Remote: l.remote.String(), RemName: l.remName,
		Target: l.target.String(), Routes: l.routes, LocalSeq: l.localSeq, RemoteSeq: l.remoteSeq, Device: l.device,
		Protocol: l.path.Protocol, From: l.path.Local, To: l.path.Remote, Theirs: string(sdp.Write(l.theirs, sdp.Origin{})), Ours: string(sdp.Write(l.ours, l.origin)), Session: l.timer.seconds, Refresh: l.timer.ours, Allow: l.peerAllow,
	}
	st.Shields = l.sealed()
	if len(l.vias) > 0 {
		st.Via, st.InviteSeq, st.Wanted, st.Refreshes, st.Written = l.vias, l.inviteSeq, l.timer.wanted, l.timer.theirs, time.Now()
	}
	for _, r := range l.lines {
		if r == nil {
			st.Lines = append(st.Lines, lineState{})
			continue
		}
		line := lineState{Port: r.Port(), Bind: l.s.bindAddr(l.path)}
		if state := r.State(); state.Line.Started || state.Latched.IsValid() {
			line.State = &state
		}
		st.Lines = append(st.Lines, line)
	}
	return st
}

// seqSkip is added to our CSeq after a restart: requests since the state was
// written (INFO, refreshes) used up numbers, and gaps are allowed.
const seqSkip = 100

// Revive makes an answered leg again from its State (call.Router).
func (s *Server) Revive(state []byte, owner call.Owner) (call.Leg, error) {
	var st legState
	if err := call.Decode(state, &st); err != nil {
		return nil, fmt.Errorf("leg's state: %w", err)
	}
	l := s.newLeg(st.Party, st.Name, st.UAC)
	l.id, l.key, l.owner, l.owned, l.stage = st.ID, st.Key, owner, true, up
	l.dialog = dialog{
		callID: st.CallID, localTag: st.LocalTag, remoteTag: st.RemoteTag, localName: st.LocalName, remName: st.RemName,
		routes: st.Routes, localSeq: st.LocalSeq + seqSkip, remoteSeq: st.RemoteSeq, device: st.Device,
	}
	for _, u := range []struct {
		text string
		to   *wire.Uri
	}{{st.Local, &l.local}, {st.Remote, &l.remote}, {st.Target, &l.target}} {
		if err := wire.ParseUri(u.text, u.to); err != nil {
			return nil, fmt.Errorf("leg's state: URI: %w", err)
		}
	}
	l.peerAllow = st.Allow
	if err := l.described(st); err != nil {
		return nil, err
	}
	l.path = transport.Path{Protocol: st.Protocol, Local: st.From, Remote: st.To}
	if st.Protocol == transport.UDP {
		p, err := s.transport.UDPPath(st.To, st.From)
		if err != nil {
			return nil, err
		}
		l.path = p
	}
	if err := l.reopen(st.Lines); err != nil {
		return nil, err
	}
	l.timer.seconds, l.timer.ours = st.Session, st.Refresh
	l.timer.rearm(l)
	l.link = s.links.party(l.party)
	_ = l.admit(true)
	s.addLeg(l)
	return l, l.askedAgain(st)
}

// askedAgain puts the INVITE of a caller back who may never have seen our
// answer: Answer sends it again, until an ACK that may have come long ago.
func (l *leg) askedAgain(st legState) error {
	if len(st.Via) == 0 {
		return nil
	}
	req := wire.NewRequest(wire.INVITE, l.local)
	for _, via := range st.Via {
		req.AppendHeader(wire.NewHeader("Via", via))
	}
	for _, route := range l.routes {
		req.AppendHeader(wire.NewHeader("Record-Route", route))
	}
	id := wire.CallIDHeader(l.callID)
	req.AppendHeader(&wire.FromHeader{DisplayName: l.remName, Address: l.remote, Params: wire.HeaderParams{{K: "tag", V: l.remoteTag}}})
	req.AppendHeader(&wire.ToHeader{DisplayName: l.localName, Address: l.local})
	req.AppendHeader(&id)
	req.AppendHeader(&wire.CSeqHeader{SeqNo: st.InviteSeq, MethodName: wire.INVITE})
	m, err := wire.NewParser().ParseSIP(l.s.layer.Bytes(req)) // so that Via is more than text
	if err != nil {
		return fmt.Errorf("leg's state: INVITE: %w", err)
	}
	l.invite = m.(*wire.Request)
	l.inviteTx = l.s.layer.Restore(l.invite, l.path)
	l.stage, l.asked, l.vias, l.inviteSeq = early, st.Written, st.Via, st.InviteSeq
	l.timer.wanted, l.timer.theirs = st.Wanted, st.Refreshes
	return nil
}

// described reads both descriptions back.
func (l *leg) described(st legState) (err error) {
	if l.theirs, _, err = sdp.Parse([]byte(st.Theirs)); err != nil {
		return fmt.Errorf("leg's state: %w", err)
	}
	if l.ours, l.origin, err = sdp.Parse([]byte(st.Ours)); err != nil {
		return fmt.Errorf("leg's state: %w", err)
	}
	if err = l.unsealed(st.Shields); err != nil {
		return fmt.Errorf("leg's state: %w", err)
	}
	return nil
}

// reopen takes the same ports again and goes on as if nothing had been.
func (l *leg) reopen(lines []lineState) error {
	for i, line := range lines {
		l.lines = append(l.lines, nil)
		if line.Port == 0 || i >= len(l.ours.Streams) {
			continue
		}
		r, err := l.s.cfg.Media.Open(l.ours.Streams[i].Kind, line.Bind, line.Port, l.events(l.ours.Streams[i].Kind))
		if err != nil {
			l.closeLines()
			return fmt.Errorf("RTP port %d: %w", line.Port, err)
		}
		l.lines[i] = r
		if ours := l.ours.Streams[i].ICE; ours != nil && !ours.Mismatch && l.s.cfg.ICE != nil {
			l.connect(i, ours.Ufrag, ours.Pwd)
			if s := l.socket(i); s != nil {
				s.Adopt()
			}
		}
	}
	l.configure()
	for i, line := range lines {
		if r := l.lines[i]; r != nil && line.State != nil {
			r.Restore(*line.State)
		}
	}
	l.judge()
	return nil
}
