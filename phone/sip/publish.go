package sip

import (
	"errors"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/presence"
	"tincan/phone/sip/document"
	"tincan/phone/sip/subscription"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/watch"
)

// publish takes a PUBLISH (RFC 3903 6): what a device says of its own member.
func (s *Server) publish(tx *transaction.Server, req *wire.Request, p transport.Path) {
	extension, ok := s.watcher(tx, req, p)
	if !ok {
		return
	}
	name, _, _ := strings.Cut(header(req, "Event", "o"), ";")
	if !strings.EqualFold(strings.TrimSpace(name), watch.PresenceEvent) {
		res := s.reply(req, 489, "Bad Event")
		res.AppendHeader(wire.NewHeader("Allow-Events", watch.PresenceEvent))
		tx.Respond(res)
		return
	}
	if userOf(&req.Recipient) != extension {
		s.refused(p, req, extension, "publishes for another extension")
		tx.Respond(s.reply(req, wire.StatusForbidden, "Not your extension"))
		return
	}
	lasts := min(expiresOf(header(req, "Expires"), subscription.MaxExpires), subscription.MaxExpires)
	if lasts > 0 && lasts < subscription.MinExpires {
		res := s.reply(req, wire.StatusIntervalToBrief, "Interval Too Brief")
		res.AppendHeader(wire.NewHeader("Min-Expires", itoa(int(subscription.MinExpires/time.Second))))
		tx.Respond(res)
		return
	}
	status, bad := s.published(req)
	if bad != nil {
		tx.Respond(bad)
		return
	}
	tag := strings.TrimSpace(header(req, "SIP-If-Match"))
	s.watch.Published.Publish(extension, tag, status, lasts, func(tag string, err error) {
		s.answerPublish(tx, req, tag, lasts, err)
	})
}

// published reads the document of a PUBLISH; nil if it has none.
func (s *Server) published(req *wire.Request) (*presence.Status, *wire.Response) {
	if len(req.Body()) == 0 {
		return nil, nil
	}
	kind, _, _ := strings.Cut(header(req, "Content-Type", "c"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), document.PresenceType) || header(req, "Content-Encoding", "e") != "" {
		res := s.reply(req, wire.StatusUnsupportedMediaType, "Unsupported Media Type")
		res.AppendHeader(wire.NewHeader("Accept", document.PresenceType))
		return nil, res
	}
	if len(req.Body()) > document.MaxPresence {
		return nil, s.reply(req, wire.StatusRequestEntityTooLarge, "Request Entity Too Large")
	}
	doc, err := document.ParsePresence(req.Body())
	if err != nil {
		return nil, s.reply(req, wire.StatusBadRequest, quoted(clip(err.Error())))
	}
	return &doc.Status, nil
}

func (s *Server) answerPublish(tx *transaction.Server, req *wire.Request, tag string, lasts time.Duration, err error) {
	switch {
	case errors.Is(err, presence.ErrStale):
		tx.Respond(s.reply(req, 412, "Conditional Request Failed"))
	case errors.Is(err, presence.ErrNothing):
		tx.Respond(s.reply(req, wire.StatusBadRequest, quoted(err.Error())))
	case errors.Is(err, presence.ErrTooMany):
		tx.Respond(s.reply(req, wire.StatusForbidden, quoted(err.Error())))
	case err != nil:
		tx.Respond(s.reply(req, wire.StatusInternalServerError, "Publication could not be kept"))
	default:
		res := s.reply(req, wire.StatusOK, "OK")
		res.AppendHeader(wire.NewHeader("SIP-ETag", tag))
		res.AppendHeader(wire.NewHeader("Expires", itoa(int(lasts/time.Second))))
		tx.Respond(res)
	}
}
