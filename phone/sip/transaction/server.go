package transaction

import (
	"bytes"
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/transport"
)

type state uint8

// States of RFC 3261 figures 5 to 8 and RFC 6026 figures 5 and 7. Trying
// stands for Calling in a client INVITE.
const (
	trying state = iota
	proceeding
	completed
	confirmed
	accepted
	terminated
)

// Server is the server side of a transaction.
type Server struct {
	l      *Layer
	key    string
	invite bool
	path   transport.Path

	mu    sync.Mutex // guards what follows
	state state
	last  []byte // the latest response, for retransmissions of the request
	tag   string // the To-tag we answered with
	timer *time.Timer
	wait  time.Duration // timer G
	left  time.Duration // until timer H
}

func newServer(l *Layer, key string, req *wire.Request, p transport.Path) *Server {
	return &Server{l: l, key: key, invite: req.Method == wire.INVITE, path: p}
}

// Path is where the request came from and the answers go.
func (s *Server) Path() transport.Path { return s.path }

// Key is the same for every request of the transaction and no other.
func (s *Server) Key() string { return s.key }

// Tag gives the To-tag of our answers so far, "" before one had it.
func (s *Server) Tag() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tag
}

// SetTag decides the To-tag of answers that the layer makes by itself.
func (s *Server) SetTag(tag string) {
	s.mu.Lock()
	s.tag = tag
	s.mu.Unlock()
}

// Reply makes a response to req with its Via, From, To, Call-ID and CSeq
// (RFC 3261 8.2.6.2). Record-Route is copied by who makes a dialog.
func Reply(req *wire.Request, code int, reason string) *wire.Response {
	res := wire.NewResponse(code, reason)
	wire.CopyHeaders("Via", req, res)
	res.AppendHeader(wire.HeaderClone(req.From()))
	res.AppendHeader(wire.HeaderClone(req.To()))
	res.AppendHeader(wire.HeaderClone(req.CallID()))
	res.AppendHeader(wire.HeaderClone(req.CSeq()))
	res.SetBody(nil)
	return res
}

// SetTag puts our tag into the To of a response.
func SetTag(res *wire.Response, tag string) {
	to := res.To()
	to.Params.Remove("tag")
	to.Params.Add("tag", tag)
}

// Bytes serialises a message. What it gives is kept while it may have to be
// repeated, so it has no room to spare.
func (l *Layer) Bytes(m wire.Message) []byte {
	b := l.paper.Get().(*bytes.Buffer)
	defer l.paper.Put(b)
	b.Reset()
	m.StringWrite(b)
	return bytes.Clone(b.Bytes())
}

// Respond sends a response: any number of 1xx, then one final. A second final
// is ignored. A response above 100 without a To-tag gets one. It gives the
// bytes that were sent, which must not be changed.
func (s *Server) Respond(res *wire.Response) []byte {
	s.mu.Lock()
	if s.state >= completed {
		s.mu.Unlock()
		return nil
	}
	s.tagged(res)
	b := s.l.Bytes(res)
	s.last = b
	s.advance(res.StatusCode)
	s.mu.Unlock()
	_ = s.l.cfg.Send(s.path, b)
	return b
}

// tryingAfter is within the 200 ms of RFC 3261 17.2.1.
const tryingAfter = 150 * time.Millisecond

// Trying sends a 100, which is then made, to an INVITE that is not answered
// quickly: most are, and need none.
func (s *Server) Trying(res func() *wire.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != trying {
		return
	}
	s.after(tryingAfter, func() {
		s.mu.Lock()
		waits := s.state == trying
		s.mu.Unlock()
		if waits {
			s.Respond(res())
		}
	})
}

func (s *Server) tagged(res *wire.Response) {
	if res.StatusCode == wire.StatusTrying {
		return
	}
	if tag, ok := res.To().Params.Get("tag"); ok && tag != "" {
		s.tag = tag
		return
	}
	if s.tag == "" {
		s.tag = Token()
	}
	SetTag(res, s.tag)
}

// advance moves the state and sets the timers. Called with mu held.
func (s *Server) advance(code int) {
	t := s.l.cfg.Timers
	switch {
	case code < 200:
		s.state = proceeding
	case s.invite && code < 300:
		s.state = accepted // timer L; 2xx are retransmitted by the dialog
		s.last = nil
		s.linger(t.Lifetime())
	case s.invite:
		s.state = completed
		s.wait, s.left = t.T1, t.Lifetime()
		if s.path.Protocol.Reliable() {
			s.linger(s.left)
		} else {
			s.after(s.wait, s.retransmit)
		}
	case s.path.Protocol.Reliable():
		s.state = completed
		s.linger(0)
	default:
		s.state = completed
		s.linger(t.Lifetime()) // timer J
	}
}

// linger has nothing more than the end come. Called with mu held.
func (s *Server) linger(d time.Duration) {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil // and what it would have done
	}
	s.l.ends.after(d, s)
}

func (s *Server) after(d time.Duration, f func()) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(d, f)
}

// retransmit is timer G until timer H.
func (s *Server) retransmit() {
	s.mu.Lock()
	if s.state != completed {
		s.mu.Unlock()
		return
	}
	if s.left -= s.wait; s.left <= 0 {
		s.mu.Unlock()
		s.end()
		return
	}
	s.wait = min(2*s.wait, s.l.cfg.Timers.T2)
	b := s.last
	s.after(s.wait, s.retransmit)
	s.mu.Unlock()
	_ = s.l.cfg.Send(s.path, b)
}

// again handles a retransmitted request, or the ACK to a non-2xx.
func (s *Server) again(req *wire.Request, p transport.Path) {
	s.mu.Lock()
	if req.Method == wire.ACK {
		if s.state == accepted { // RFC 6026 7.1: the dialog's business
			s.mu.Unlock()
			s.l.cfg.User.Request(nil, req, p)
			return
		}
		if s.state == completed {
			s.state = confirmed
			s.last = nil
			s.linger(s.l.cfg.Timers.T4) // timer I
		}
		s.mu.Unlock()
		return
	}
	b := s.last
	s.mu.Unlock()
	if b != nil {
		_ = s.l.cfg.Send(s.path, b)
	}
}

// Forget ends the transaction without an answer: nobody waits for one any more.
func (s *Server) Forget() { s.end() }

func (s *Server) end() {
	s.mu.Lock()
	s.state = terminated
	s.last = nil
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.l.dropServer(s)
}

// RespondOnce sends a final response and forgets the transaction at once: for
// strangers, who could otherwise make us keep 64*T1 of state a datagram. A
// retransmission is answered afresh.
func (s *Server) RespondOnce(res *wire.Response) {
	s.mu.Lock()
	s.tagged(res)
	b := s.l.Bytes(res)
	s.mu.Unlock()
	s.end()
	_ = s.l.cfg.Send(s.path, b)
}

// Final reports whether a final response was sent.
func (s *Server) Final() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state >= completed
}
