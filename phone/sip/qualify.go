package sip

import (
	"errors"
	"fmt"
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/sip/resolve"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// qualify asks all targets of a trunk whether they are up, if it is time: calls
// pass over those that are not (s.health), and people see it.
func (k *link) qualify(now time.Time) {
	k.mu.Lock()
	t := k.trunk
	due := t.Qualify > 0 && t.Accept != "register" && !now.Before(k.probed.next)
	if due {
		k.probed.next = now.Add(t.Qualify)
	}
	k.mu.Unlock()
	if !due {
		return
	}
	q, routes, err := k.hop(t)
	if err != nil {
		return
	}
	k.s.targets(q, func(list []resolve.Target, err error) {
		if err != nil {
			k.found(stateDown, textOf(err), resolve.Target{})
			return
		}
		r := &round{link: k, left: len(list)}
		for _, target := range list {
			k.ask(t, routes, target, r.heard)
		}
	})
}

// errSilent is a target that has not answered yet when it should have.
var errSilent = errors.New("no answer to OPTIONS")

// ask sends one OPTIONS. A target that stays silent for a few seconds is down, and
// up again if its answer comes later.
func (k *link) ask(t *directory.Trunk, routes []string, target resolve.Target, heard func(resolve.Target, error)) {
	e := &errand{s: k.s, try: k.try(), left: []resolve.Target{target}}
	var seq uint32
	e.seq = func() uint32 { seq++; return seq }
	e.make = func(p transport.Path) *wire.Request { return k.options(t, routes, p, e.seq()) }
	silent := time.AfterFunc(slowness*k.s.timers().T1, func() {
		k.s.health.Failed(target, resolve.Timeout, 0)
		heard(target, fmt.Errorf("%s: %w", target, errSilent))
	})
	e.done = func(res *wire.Response, end errandEnd) {
		err := end.err
		switch {
		case res == nil:
		case res.StatusCode == wire.StatusServiceUnavailable:
			err = fmt.Errorf("%s: 503 %s", target, clip(res.Reason))
		default: // whatever it says of the request, it is there
			err = nil
		}
		switch {
		case silent.Stop():
			heard(target, err)
		case err == nil:
			k.found(stateUp, "", target)
		}
	}
	e.run(errNoTarget)
}

func (k *link) options(t *directory.Trunk, routes []string, p transport.Path, seq uint32) *wire.Request {
	s := k.s
	host, port, _ := directory.HostPort(t.Address) // checked before
	req := wire.NewRequest(wire.OPTIONS, wire.Uri{Scheme: "sip", Host: host, Port: int(port)})
	for _, r := range routes {
		req.AppendHeader(wire.NewHeader("Route", r))
	}
	from := wire.Uri{Scheme: "sip", User: s.cfg.Node, Host: s.domain(p)}
	if t.Username != "" {
		from = wire.Uri{Scheme: "sip", User: escape(t.Username), Host: t.Domain}
	}
	id := wire.CallIDHeader(s.newCallID(transaction.Token()))
	req.AppendHeader(&wire.FromHeader{Address: from, Params: wire.HeaderParams{{K: "tag", V: transaction.Token()}}})
	req.AppendHeader(&wire.ToHeader{Address: wire.Uri{Scheme: "sip", Host: host}})
	req.AppendHeader(&id)
	req.AppendHeader(&wire.CSeqHeader{SeqNo: seq, MethodName: wire.OPTIONS})
	req.AppendHeader(s.contact(p, s.cfg.Node))
	req.AppendHeader(wire.NewHeader("Accept", "application/sdp"))
	s.common(req)
	req.SetBody(nil)
	return req
}

// round gathers the answers to one asking around: the trunk is up if any of its
// targets is.
type round struct {
	link *link

	mu    sync.Mutex // guards what follows
	left  int
	upped bool
	why   error
}

func (r *round) heard(target resolve.Target, err error) {
	r.mu.Lock()
	r.left--
	first := err == nil && !r.upped
	r.upped = r.upped || err == nil
	if err != nil {
		r.why = err
	}
	down := r.left == 0 && !r.upped
	why := r.why
	r.mu.Unlock()
	switch {
	case first:
		r.link.found(stateUp, "", target)
	case down:
		r.link.found(stateDown, textOf(why), target)
	}
}

// found notes whether a trunk is up.
func (k *link) found(state, why string, target resolve.Target) {
	k.mu.Lock()
	changed := k.probed.state != state
	if changed {
		k.probed.state, k.probed.since = state, time.Now()
	}
	k.probed.error = why
	if state == stateUp {
		k.probed.target = target
	}
	k.mu.Unlock()
	if !changed {
		return
	}
	k.s.tellTrunk(k.name, state, why)
	if state == stateDown {
		k.s.cfg.Logger.Warn("a trunk is down", "trunk", k.name, "error", why)
		return
	}
	k.s.cfg.Logger.Info("a trunk is up", "trunk", k.name, "target", target.String())
}
