package sip

import (
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/event"
	"tincan/phone/sip/transport"
)

// refused counts a request that was turned away, and tells of it.
func (s *Server) refused(p transport.Path, req *wire.Request, user, why string) {
	s.counts.Refused.Add(1)
	s.cfg.Bus.Publish(event.Refused{Time: time.Now(), Peer: p.Remote, Method: string(req.Method), User: user, Why: why})
	if !s.refusals.due(time.Now()) {
		return
	}
	s.cfg.Logger.Warn("request refused", "peer", p.Remote, "transport", p.Protocol, "method", req.Method, "user", clip(user), "why", why)
}

// refusalsLogged is how many refused requests a second are logged: enough to see
// who guesses, while a thousand addresses do. All are counted, and told as events.
const refusalsLogged = 10

// ration allows so many in each second. Safe for any goroutine.
type ration struct {
	mu     sync.Mutex // guards what follows
	second int64
	n      int
}

func (r *ration) due(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := now.Unix(); s != r.second {
		r.second, r.n = s, 0
	}
	r.n++
	return r.n <= refusalsLogged
}
