package sip

import (
	"errors"
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/sip/subscription"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/watch"
)

// maxSubscription bounds the texts that a SUBSCRIBE makes us keep, in bytes: names
// of real phones have 300.
const maxSubscription = 2048

// SetWatch says what can be watched, before Listen; nil: nothing. Its Config.Send is
// Notify.
func (s *Server) SetWatch(w *watch.Watch) { s.watch = w }

// subscribe takes a SUBSCRIBE that begins a subscription (RFC 6665 4.2.1).
func (s *Server) subscribe(tx *transaction.Server, req *wire.Request, p transport.Path) {
	extension, ok := s.watcher(tx, req, p)
	if !ok {
		return
	}
	ask, bad := s.ask(req, p, extension)
	if bad != nil {
		tx.Respond(bad)
		return
	}
	s.watch.Subscribe(ask, func(g subscription.Grant, no *subscription.Refusal) { s.answerSubscribe(tx, req, p, g, no) })
}

// resubscribe takes one within a subscription's dialog. It proves itself like the
// first: who has seen a tag must not turn the state elsewhere.
func (s *Server) resubscribe(tx *transaction.Server, req *wire.Request, p transport.Path, tag string) {
	if tx == nil {
		return
	}
	extension, ok := s.watcher(tx, req, p)
	if !ok {
		return
	}
	ask, bad := s.ask(req, p, extension)
	if bad != nil {
		tx.Respond(bad)
		return
	}
	s.watch.Refresh(tag, ask, func(g subscription.Grant, no *subscription.Refusal) { s.answerSubscribe(tx, req, p, g, no) })
}

// watcher says which extension subscribes; strangers and trunks watch nothing.
func (s *Server) watcher(tx *transaction.Server, req *wire.Request, p transport.Path) (extension string, ok bool) {
	if s.watch == nil {
		tx.RespondOnce(s.reply(req, 489, "Bad Event"))
		return "", false
	}
	who, ok := s.identify(tx, req, p)
	if !ok {
		return "", false
	}
	extension, ok = strings.CutPrefix(who.Ref, "extension:")
	if !ok {
		tx.RespondOnce(s.reply(req, wire.StatusForbidden, "Only extensions may subscribe"))
	}
	return extension, ok
}

// ask reads a SUBSCRIBE, or makes the response that refuses it.
func (s *Server) ask(req *wire.Request, p transport.Path, extension string) (subscription.Ask, *wire.Response) {
	a := subscription.Ask{
		User: userOf(&req.Recipient), Watcher: extension, Seq: req.CSeq().SeqNo, Accept: tokens(req, "Accept", ""),
	}
	name, params, _ := strings.Cut(header(req, "Event", "o"), ";")
	a.Event = strings.ToLower(strings.TrimSpace(name))
	a.ID, a.MaxRate, a.MinRate = eventParams(params)
	expires := header(req, "Expires")
	a.Default = expires == ""
	a.Expires = expiresOf(expires, 0)
	for _, tag := range tokens(req, "Supported", "k") {
		a.Lists = a.Lists || tag == "eventlist"
	}
	var d dialog
	d.fromRequest(req, p)
	local := d.local
	local.UriParams, local.Headers = nil, nil
	key := s.keyOf("extension:"+extension, p)
	a.Device = key
	if key == "" {
		a.Device = d.target.String()
	}
	a.Dialog = subscription.Dialog{
		CallID: d.callID, RemoteTag: d.remoteTag, Local: local.String(), Remote: d.remote.String(), Target: d.target.String(),
		Routes: d.routes, Way: subscription.Way{
			Transport: string(p.Protocol), Local: p.Local, Remote: p.Remote, Flow: flowID(p), Device: key, Heard: d.heard,
		},
	}
	n := len(a.ID) + len(a.User) + len(a.Dialog.CallID) + len(a.Dialog.RemoteTag) + len(a.Dialog.Local) + len(a.Dialog.Remote) + len(a.Dialog.Target)
	for _, r := range d.routes {
		n += len(r)
	}
	switch {
	case n > maxSubscription:
		return a, s.reply(req, 513, "Message Too Large")
	case a.Dialog.RemoteTag == "" || req.Contact() == nil:
		return a, s.reply(req, wire.StatusBadRequest, "SUBSCRIBE wants a From tag and a Contact")
	}
	return a, nil
}

// eventParams reads the parameters of Event: id (RFC 6665 8.2.1) and the rates of
// RFC 6446 in NOTIFYs a second.
func eventParams(text string) (id string, maxRate, minRate float64) {
	for p := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch strings.ToLower(name) {
		case "id":
			id = value
		case "max-rate":
			maxRate = perSecond(value)
		case "min-rate":
			minRate = perSecond(value)
		}
	}
	return id, maxRate, minRate
}

func perSecond(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0 && f <= 1e6) {
		return 0
	}
	return f
}

func (s *Server) answerSubscribe(tx *transaction.Server, req *wire.Request, p transport.Path, g subscription.Grant, no *subscription.Refusal) {
	if no != nil {
		res := s.reply(req, no.Code, no.Reason)
		if no.Header[0] != "" {
			res.AppendHeader(wire.NewHeader(no.Header[0], no.Header[1]))
		}
		tx.Respond(res)
		return
	}
	res := s.reply(req, wire.StatusOK, "OK")
	transaction.SetTag(res, g.Tag)
	wire.CopyHeaders("Record-Route", req, res)
	res.AppendHeader(s.contact(p, g.Tag))
	res.AppendHeader(wire.NewHeader("Expires", itoa(int(g.Expires/time.Second))))
	if g.List {
		res.AppendHeader(wire.NewHeader("Require", "eventlist"))
	}
	tx.Respond(res)
}

// Notify carries a NOTIFY out (subscription.Config.Send): the way that the
// subscriber was heard, or that of its device's registration if that is younger.
func (s *Server) Notify(n *subscription.Notify, done func(subscription.Outcome)) {
	b := s.wayOf(n)
	s.flow(&b, func(p transport.Path, err error) {
		if err != nil {
			done(subscription.Outcome{Verdict: subscription.Unreachable})
			return
		}
		req, err := s.notifyRequest(n, p)
		if err != nil {
			s.cfg.Logger.Warn("subscription ends: its dialog cannot be read", "watcher", n.Watcher, "error", err)
			done(subscription.Outcome{Verdict: subscription.Refused})
			return
		}
		s.layer.Request(req, p, func(res *wire.Response, err error) {
			switch {
			case err != nil:
				now := s.wayOf(n)
				done(unanswered(err, &b, &now))
			case !res.IsProvisional():
				done(outcomeOf(res))
			}
		})
	})
}

// unanswered says what a NOTIFY means that nobody answered: the end (RFC 6665
// 4.2.2), unless the device has moved meanwhile, or its connection is gone: then it
// comes back and registers.
func unanswered(err error, was, now *directory.Binding) subscription.Outcome {
	switch {
	case was.Received != now.Received || was.Flow != now.Flow:
		return subscription.Outcome{Verdict: subscription.Later, After: time.Millisecond}
	case was.Transport != string(transport.UDP), !errors.Is(err, transaction.ErrTimeout):
		return subscription.Outcome{Verdict: subscription.Unreachable}
	}
	return subscription.Outcome{Verdict: subscription.Refused}
}

// outcomeOf says what an answer means for the subscription (RFC 6665 4.2.2, RFC
// 5057 5.1).
func outcomeOf(res *wire.Response) subscription.Outcome {
	after := header(res, "Retry-After")
	after, _, _ = strings.Cut(after, ";")
	after, _, _ = strings.Cut(after, "(")
	if n, err := strconv.Atoi(strings.TrimSpace(after)); err == nil && n > 0 && res.StatusCode != wire.StatusCallTransactionDoesNotExists && res.StatusCode >= 400 {
		return subscription.Outcome{Verdict: subscription.Later, After: time.Duration(n) * time.Second}
	}
	switch res.StatusCode {
	case 404, 405, 408, 410, 416, 480, 481, 482, 484, 485, 489, 501, 604:
		return subscription.Outcome{Verdict: subscription.Refused}
	}
	return subscription.Outcome{}
}

// wayOf gives the way to a subscriber in the form of a registration.
func (s *Server) wayOf(n *subscription.Notify) directory.Binding {
	way := &n.Dialog.Way
	for _, b := range s.cfg.Bindings.SIP(n.Watcher) {
		if b.Key() == way.Device && b.Updated.After(way.Heard) && b.Transport == way.Transport {
			return b
		}
	}
	return directory.Binding{
		Contact: n.Dialog.Target, Received: way.Remote, Transport: way.Transport, Local: way.Local.String(),
		Flow: way.Flow, Updated: way.Heard,
	}
}

func (s *Server) notifyRequest(n *subscription.Notify, p transport.Path) (*wire.Request, error) {
	d := dialog{
		callID: n.Dialog.CallID, localTag: n.Tag, remoteTag: n.Dialog.RemoteTag, routes: n.Dialog.Routes, path: p, device: true,
	}
	if err := errors.Join(
		wire.ParseUri(n.Dialog.Local, &d.local), wire.ParseUri(n.Dialog.Remote, &d.remote), wire.ParseUri(n.Dialog.Target, &d.target),
	); err != nil {
		return nil, err
	}
	req := d.newRequest(wire.NOTIFY, n.Seq)
	s.common(req)
	req.AppendHeader(s.contact(p, n.Tag))
	req.AppendHeader(wire.NewHeader("Event", n.Event))
	req.AppendHeader(wire.NewHeader("Subscription-State", stateOf(n)))
	if n.List {
		req.AppendHeader(wire.NewHeader("Require", "eventlist"))
	}
	if n.Body != nil {
		req.AppendHeader(wire.NewHeader("Content-Type", n.Type))
	}
	req.SetBody(n.Body)
	return req, nil
}

// stateOf writes Subscription-State (RFC 6665 8.2.3).
func stateOf(n *subscription.Notify) string {
	if n.Reason != "" {
		return "terminated;reason=" + n.Reason
	}
	text := "active;expires=" + itoa(max(1, int(n.Left.Round(time.Second)/time.Second)))
	if n.Pace > 0 { // RFC 6446 6.1
		text += ";max-rate=" + strconv.FormatFloat(float64(time.Second)/float64(n.Pace), 'f', 3, 64)
	}
	return text
}

// devicesChanged tells who watches devices, and brings devices that came what they
// missed.
func (s *Server) devicesChanged(put, remove []directory.Binding) {
	for i := range put {
		if s.texts != nil {
			s.texts.Registered(put[i].Extension)
		}
		if s.watch != nil {
			s.watch.Devices(put[i].Extension, true)
		}
	}
	for i := range remove {
		if s.watch != nil {
			s.watch.Devices(remove[i].Extension, false)
		}
	}
}
