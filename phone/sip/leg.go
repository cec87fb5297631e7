package sip

import (
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/media/quality"
	"tincan/phone/sip/digest"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// stage is how far a leg's dialog is. It only grows.
type stage uint8

const (
	early    stage = iota // no final response yet
	answered              // 2xx sent, no ACK yet (of legs that call in)
	up                    // both sides know
	leaving               // we sent BYE or CANCEL, or gave up
	gone
)

// leg is a SIP dialog as one side of a call (call.Leg). Its mutex is held for
// short computations only; events are posted, never handled, under it.
type leg struct {
	s      *Server
	id     string
	uac    bool // we called
	party  string
	name   string // of the device
	key    string // of its registration; "" when it has none
	logged string // the call's ID, for logs
	sound  directory.Sound

	mu      sync.Mutex // guards everything below
	owner   call.Owner
	owned   bool        // it has had an owner
	unheard *call.Ended // from before it had one
	stage   stage
	dialog
	label label // of the dialog's path
	session
	encryption
	timer sessionTimer
	link  *link       // of the trunk that it is to; nil for a phone's
	seat  atomic.Bool // it counts as one of the trunk's calls
	trip  *trip       // out by that trunk; nil for others

	invite    *wire.Request // that we answer: the first INVITE, or a re-INVITE or UPDATE
	inviteTx  responder
	vias      []string  // of a caller's first INVITE, until its ACK: where a restart answers it again
	asked     time.Time // when the state was written that it is made from: before the ACK, which may have come since
	mergeKey  string
	ok        okResend
	byeAfter  *call.Cause         // hang up once the ACK is here
	client    *transaction.Client // our first INVITE, until its final answer
	stretched bool                // it was repeated with a longer session interval

	credentials []digest.Header // of our latest INVITE, for its ACK
	inviteSeq   uint32
	offering    bool     // a re-INVITE of ours is out
	offerSeq    uint32   // its CSeq
	noOffer     bool     // our 2xx carries the offer, the ACK the answer
	late        bool     // likewise of the first INVITE: what the party takes is not known yet
	awaited     *awaited // of a party that makes the offer itself when it is called; nil: we do
	rel         reliable
	peerAllow   string
	picturing   bool          // it is asked for a picture by INFO, which has not been answered, or was refused
	infos       []media.Digit // digits that wait for the answer to an INFO
	infoOut     bool
	referred    int              // REFERs so far
	asking      func(call.Cause) // is told what the party makes of a REFER of ours; nil: there is none
	fixed       []string         // Route of our first INVITE: the Path of the registration
	another     redial           // calls the device by another of its flows; nil: there is none
	extra       []wire.Header    // of our INVITE: how the call came about
	retry       *time.Timer
}

var _ call.Leg = (*leg)(nil)

func (s *Server) newLeg(party, name string, uac bool) *leg {
	l := &leg{s: s, uac: uac, party: party, name: name, sound: s.cfg.Directory.Snapshot().Sound(party)}
	l.id, l.policy = transaction.Token(), s.policyOf(party)
	return l
}

// ID names the leg (call.Leg).
func (l *leg) ID() string { return l.id }

// Own sets who hears of the leg (call.Leg).
func (l *leg) Own(o call.Owner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owned = true
	l.owner = o
	if ended := l.unheard; ended != nil {
		l.unheard = nil
		l.post(*ended)
	}
}

// post tells the owner. Called with mu held or not: Post never blocks. What
// nobody owns any more is answered at once.
func (l *leg) post(e call.Event) {
	if l.owner != nil {
		l.owner.Post(e)
		return
	}
	ended, ok := e.(call.Ended)
	switch {
	case ok && !l.owned:
		l.unheard = &ended // its call is just being made
	case ok && ended.Written != nil:
		go ended.Written()
	}
}

// matches reports whether a request belongs to this dialog; its To-tag does.
func (l *leg) matches(req *wire.Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	from, _ := req.From().Params.Get("tag")
	return string(*req.CallID()) == l.callID && (from == l.remoteTag || l.uac && l.stage == early)
}

// knows reports whether a response outside of any transaction can be one to the
// leg: what makes the dialog comes within its own.
func (l *leg) knows(res *wire.Response) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stage > early && string(*res.CallID()) == l.callID
}

// request takes a request within the dialog.
func (l *leg) request(tx *transaction.Server, req *wire.Request, p transport.Path) {
	if req.Method == wire.ACK {
		l.acked(req)
		return
	}
	if tx == nil {
		return
	}
	if bad := unsupported(req); bad != "" {
		res := l.s.reply(req, wire.StatusBadExtension, "Bad Extension")
		res.AppendHeader(wire.NewHeader("Unsupported", bad))
		tx.Respond(res)
		return
	}
	l.mu.Lock()
	if seq := req.CSeq().SeqNo; seq <= l.remoteSeq && l.remoteSeq != 0 {
		l.mu.Unlock()
		tx.Respond(l.s.reply(req, wire.StatusInternalServerError, "Out of order")) // RFC 3261 12.2.2
		return
	}
	l.remoteSeq = req.CSeq().SeqNo
	if p.Protocol.Reliable() || l.device && l.party != call.Stranger {
		l.path, l.heard = p, time.Now()
	}
	l.mu.Unlock()
	switch req.Method {
	case wire.BYE:
		l.bye(tx, req)
	case wire.INVITE:
		l.reinvite(tx, req)
	case wire.UPDATE:
		l.update(tx, req)
	case wire.INFO:
		l.info(tx, req)
	case wire.REFER:
		l.refer(tx, req)
	case wire.PRACK:
		l.prack(tx, req)
	case wire.NOTIFY:
		l.notified(tx, req)
	case wire.OPTIONS:
		l.s.options(tx, req)
	default:
		tx.Respond(l.s.withAllow(l.s.reply(req, wire.StatusMethodNotAllowed, "Method Not Allowed")))
	}
}

// bye is the party hanging up: acknowledged when the call's record is kept.
func (l *leg) bye(tx *transaction.Server, req *wire.Request) {
	l.mu.Lock()
	over := l.stage >= leaving
	cause := call.Normal.Why(reasonText(req))
	ringing := l.uac && l.stage == early && l.client != nil
	if ringing { // not allowed (RFC 3261 15), but said; its INVITE still wants an end
		cause = call.Rejected.Why("the phone said goodbye before it answered")
		l.stage = leaving
		l.client.Cancel("")
	} else {
		l.stage = gone
	}
	l.stopTimers()
	l.dropOffer()
	done := func() { tx.Respond(l.s.reply(req, wire.StatusOK, "OK")) }
	if !over {
		l.post(call.Ended{Leg: l, Cause: cause, Written: done})
	}
	l.mu.Unlock()
	if !ringing {
		l.s.dropLeg(l)
	}
	if over {
		done()
	}
}

// dropOffer answers an INVITE or UPDATE that the end of the dialog overtook
// (RFC 3261 15.1.2). Called with mu held.
func (l *leg) dropOffer() {
	if l.invite == nil {
		return
	}
	l.inviteTx.Respond(l.s.reply(l.invite, wire.StatusRequestTerminated, "Request Terminated"))
	l.invite, l.inviteTx = nil, nil
}

// reasonText gives the text of a Reason header (RFC 3326), for the record.
func reasonText(m wire.Message) string {
	_, text, ok := strings.Cut(header(m, "Reason"), "text=")
	if !ok {
		return ""
	}
	return clip(strings.Trim(text, "\" "))
}

// Hangup ends the leg however far it is (call.Leg).
func (l *leg) Hangup(cause call.Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stage >= leaving:
	case l.stage == early && l.uac:
		l.stage = leaving
		l.unseat()
		if l.client != nil {
			l.client.Cancel(reasonFor(cause))
		} else {
			l.stage = gone
			go l.s.dropLeg(l)
		}
	case l.stage == early:
		l.refuse(cause)
	case l.stage == answered: // RFC 3261 15: not before the ACK
		l.byeAfter = &cause
		if !l.asked.IsZero() {
			l.retry = time.AfterFunc(l.s.timers().T1, l.byeAnyway)
		}
	default:
		l.sendBye(cause)
	}
}

// byeAnyway does not wait longer for an ACK that went to the process before
// this one.
func (l *leg) byeAnyway() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage == answered {
		l.sendBye(*l.byeAfter)
	}
}

// refuse answers the first INVITE with a failure. Called with mu held.
func (l *leg) refuse(cause call.Cause) {
	l.stage = gone
	l.rel.again.stop()
	if l.invite == nil {
		return
	}
	if cause.Code < 300 { // the other side went in peace, before this one was answered
		cause.Code = call.Unregistered.Code
	}
	res := l.s.reply(l.invite, cause.Code, reasonPhrase(cause.Code))
	if cause.Code == wire.StatusNotAcceptableHere {
		res.AppendHeader(wire.NewHeader("Warning", "305 "+l.s.domain(l.path)+" \""+quoted(cause.Text)+"\""))
	} else if cause.Text != "" {
		res.AppendHeader(wire.NewHeader("Reason", "SIP;cause="+itoa(cause.Code)+";text=\""+quoted(cause.Text)+"\""))
	}
	l.inviteTx.Respond(res)
	l.invite = nil
	go l.s.dropLeg(l)
}

// quoted makes text safe within a quoted string.
func quoted(s string) string {
	return strings.NewReplacer("\"", "'", "\\", "/", "\r", " ", "\n", " ").Replace(s)
}

// sendBye says goodbye. Called with mu held.
func (l *leg) sendBye(cause call.Cause) {
	l.stage = leaving
	l.unseat()
	l.stopTimers()
	l.dropOffer()
	bye := l.newRequest(wire.BYE, 0)
	l.s.common(bye)
	if reason := reasonFor(cause); reason != "" {
		bye.AppendHeader(wire.NewHeader("Reason", reason))
	}
	bye.SetBody(nil)
	l.send(bye, func(res *wire.Response, err error) {
		if err == nil && res.IsProvisional() {
			return
		}
		l.mu.Lock()
		l.stage = gone
		l.mu.Unlock()
		l.s.dropLeg(l)
	})
}

// reasonFor gives the Reason (RFC 3326) of an end; "" for a plain goodbye. A
// phone shows no missed call for one that was answered elsewhere (cause 200).
func reasonFor(cause call.Cause) string {
	switch cause.Kind {
	case call.Normal.Kind:
		return ""
	case call.Elsewhere.Kind:
		return `SIP;cause=200;text="Call completed elsewhere"`
	}
	return "SIP;cause=" + itoa(cause.Code) + ";text=\"" + quoted(cause.Error()) + "\""
}

// completedElsewhere reports whether Reason says that another phone answered, so
// that this one shows no missed call: RFC 3326 2, or Q.850's non-selected user
// clearing.
func completedElsewhere(m wire.Message) bool {
	for h := range named(m, "Reason") {
		for _, v := range listed(h.Value()) {
			protocol, params, _ := strings.Cut(v, ";")
			for p := range strings.SplitSeq(params, ";") {
				k, code, _ := strings.Cut(strings.TrimSpace(p), "=")
				is := strings.ToUpper(strings.TrimSpace(protocol)) + " " + strings.TrimSpace(code)
				if strings.EqualFold(strings.TrimSpace(k), "cause") && (is == "SIP 200" || is == "Q.850 26") {
					return true
				}
			}
		}
	}
	return false
}

// common adds what every request of ours carries.
func (s *Server) common(req *wire.Request) {
	req.AppendHeader(wire.NewHeader("Max-Forwards", "70"))
	req.AppendHeader(wire.NewHeader("User-Agent", s.product()))
}

// fail ends the leg from inside: no ACK, no refresh, no media.
func (l *leg) fail(cause call.Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage >= leaving {
		return
	}
	l.sendBye(cause)
	l.post(call.Ended{Leg: l, Cause: cause})
}

func (l *leg) stopTimers() {
	l.ok.stop()
	l.rel.again.stop()
	l.timer.stop()
	if l.retry != nil {
		l.retry.Stop()
	}
}

// Info describes the leg (call.Leg).
func (l *leg) Info() call.Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := call.Info{Kind: "sip", Party: l.party, Device: l.name, CallID: l.callID, Number: userOf(&l.remote), Name: l.remName, OurTag: l.localTag, TheirTag: l.remoteTag, CalledIn: !l.uac, Treatment: l.sound.Treatment()}
	i.Encryption, i.Unencrypted = l.encrypted()
	i.Remote = l.label.of(l.path)
	if r := l.audio(); r != nil {
		i.Stats = r.Stats()
	} else {
		i.Stats = l.lastStats
	}
	return i
}

// label is a path as people read it, kept since every message of a call shows it.
type label struct {
	protocol transport.Protocol
	remote   netip.AddrPort
	text     string
}

func (s *label) of(p transport.Path) string {
	if (s.protocol != p.Protocol || s.remote != p.Remote) && p.Remote.IsValid() {
		*s = label{p.Protocol, p.Remote, string(p.Protocol) + ":" + p.Remote.String()}
	}
	return s.text
}

// Release gives the ports back (call.Leg).
func (l *leg) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.audio(); r != nil {
		l.lastStats, l.lastJudged = r.Stats(), r.Account()
	}
	l.closeLines()
}

// Quality tells how the party's sound fares (call.Leg).
func (l *leg) Quality() quality.Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.audio(); r != nil {
		return r.Account()
	}
	return l.lastJudged
}

// Able is the party's latest description (call.Leg).
func (l *leg) Able() media.Description {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.theirs
}

// Flows gives the media (call.Leg).
func (l *leg) Flows() []media.Flow {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]media.Flow, len(l.lines))
	for i, r := range l.lines {
		if r != nil {
			out[i] = r
		}
	}
	return out
}

// State gives what Revive needs (call.Leg).
func (l *leg) State() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := call.Encode(l.saved())
	if err != nil {
		l.s.cfg.Logger.Error("leg's state cannot be written", "leg", l.id, "error", err)
	}
	return b
}
