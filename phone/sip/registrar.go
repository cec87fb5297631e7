package sip

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/event"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
	"tincan/store"
)

// maxContacts bounds the Contact headers of one REGISTER.
const maxContacts = 10

// defaultExpires is RFC 3261 10.2's advice for phones that say nothing.
const defaultExpires = time.Hour

// register handles REGISTER (RFC 3261 10.3): digest, then all contacts or none,
// answered when the bindings are written.
func (s *Server) register(tx *transaction.Server, req *wire.Request, p transport.Path) {
	if s.foreign(req) {
		s.refuseForeign(tx, req)
		return
	}
	now := time.Now()
	who, v := s.authenticate(req, p, now)
	if v != rightCredentials {
		if v == wrongCredentials {
			s.refused(p, req, s.credentials(req).Username, "wrong secret or unknown extension")
		}
		s.counts.Challenged.Add(1)
		s.challenge(tx, req, v == staleNonce, now)
		return
	}
	if userOf(&req.To().Address) != who.User || !s.cfg.Directory.Snapshot().Registers(who.Key) {
		s.refused(p, req, who.User, "registers for another extension")
		tx.RespondOnce(s.reply(req, wire.StatusForbidden, "Not your extension"))
		return
	}
	put, remove, bad := s.bindings(who.Key, req, p, now)
	if bad != nil {
		tx.RespondOnce(bad)
		return
	}
	if len(put)+len(remove) == 0 {
		s.registered(tx, req, who.Key, nil)
		return
	}
	before := s.cfg.Bindings.SIP(who.Key)
	s.cfg.Bindings.Update(who.Key, put, remove, func(err error) {
		if errors.Is(err, directory.ErrTooManyBindings) {
			res := s.reply(req, wire.StatusForbidden, fmt.Sprintf("More than %d devices", directory.MaxBindings))
			tx.RespondOnce(res)
			return
		}
		s.registered(tx, req, who.Key, err, put...)
		s.announce(put, remove)
		s.follow(before, put)
	})
}

// registered answers with all bindings that now stand. While the store is down
// the phone is registered in memory, and what was not written waits in the
// store's spool.
func (s *Server) registered(tx *transaction.Server, req *wire.Request, ext string, err error, put ...directory.Binding) {
	if err != nil && !errors.Is(err, store.ErrSpooled) {
		s.cfg.Logger.Error("registration could not be kept", "extension", ext, "error", err)
		tx.Respond(s.reply(req, wire.StatusInternalServerError, "Registration could not be kept"))
		return
	}
	s.counts.Registered.Add(1)
	res := s.reply(req, wire.StatusOK, "OK")
	now := time.Now()
	gruu := slices.Contains(tokens(req, "Supported", "k"), "gruu")
	for _, b := range s.cfg.Bindings.SIP(ext) {
		left := int(b.Expires.Sub(now).Round(time.Second) / time.Second)
		if left <= 0 {
			continue
		}
		uri := b.Shown()
		if slices.ContainsFunc(put, func(own directory.Binding) bool { return own.Contact == b.Contact }) {
			uri = b.Contact // it must know it again
		}
		v := "<" + uri + ">;expires=" + strconv.Itoa(left)
		if b.Instance != "" {
			v += ";+sip.instance=\"" + b.Instance + "\""
		}
		if b.RegID != 0 {
			v += ";reg-id=" + strconv.Itoa(b.RegID)
		}
		if gruu {
			public, temporary := s.gruus(&b, tx.Path())
			for name, value := range map[string]string{"pub-gruu": public, "temp-gruu": temporary} {
				if value != "" {
					v += ";" + name + "=\"" + value + "\""
				}
			}
		}
		res.AppendHeader(wire.NewHeader("Contact", v))
	}
	s.showFlows(res, req, put)
	s.showPush(res, put)
	res.AppendHeader(wire.NewHeader("Date", now.UTC().Format(sipDate)))
	tx.Respond(res)
}

func (s *Server) announce(put, remove []directory.Binding) {
	s.devicesChanged(put, remove)
	for _, b := range put {
		s.cfg.Bus.Publish(event.Registration{Time: b.Updated, Extension: b.Extension, Contact: b.Shown(), Step: "registered"})
	}
	for _, b := range remove {
		s.cfg.Bus.Publish(event.Registration{Time: time.Now(), Extension: b.Extension, Contact: b.Shown(), Step: "removed"})
	}
}

// bindings works out what a REGISTER changes, or the response that refuses it.
func (s *Server) bindings(ext string, req *wire.Request, p transport.Path, now time.Time) (put, remove []directory.Binding, bad *wire.Response) {
	contacts := req.GetHeaders("Contact")
	if len(contacts) > maxContacts {
		return nil, nil, s.reply(req, wire.StatusForbidden, "Too many contacts")
	}
	current := s.cfg.Bindings.SIP(ext)
	general := expiresOf(header(req, "Expires"), defaultExpires)
	for _, h := range contacts {
		c, ok := h.(*wire.ContactHeader)
		if !ok {
			return nil, nil, s.reply(req, wire.StatusBadRequest, "Contact cannot be read")
		}
		if c.Address.Wildcard {
			if len(contacts) != 1 || general != 0 {
				return nil, nil, s.reply(req, wire.StatusBadRequest, "Contact * wants Expires: 0 and no other contact")
			}
			return nil, current, nil
		}
		b, old, res := s.binding(ext, req, c, p, now, general, current)
		if res != nil {
			return nil, nil, res
		}
		switch {
		case b.Expires.After(now):
			put = append(put, b)
		case old != nil:
			remove = append(remove, *old)
		}
	}
	return put, remove, nil
}

func (s *Server) binding(ext string, req *wire.Request, c *wire.ContactHeader, p transport.Path, now time.Time, general time.Duration, current []directory.Binding) (b directory.Binding, old *directory.Binding, bad *wire.Response) {
	text, _ := c.Params.Get("expires")
	lasts := expiresOf(text, general)
	set := s.settings.Load()
	if lasts > 0 && lasts < set.RegisterMin {
		res := s.reply(req, wire.StatusIntervalToBrief, "Interval Too Brief")
		res.AppendHeader(wire.NewHeader("Min-Expires", strconv.Itoa(int(set.RegisterMin/time.Second))))
		return b, nil, res
	}
	lasts = min(lasts, set.RegisterMax)
	path, ok := pathOf(req)
	if !ok {
		return b, nil, s.reply(req, wire.StatusForbidden, "Too long a Path")
	}
	if asks, have := s.pushes(&c.Address); asks && !have && s.cfg.Push != nil {
		return b, nil, s.reply(req, 555, "Push Notification Service Not Supported")
	}
	c.Address.Headers = nil // not for a Request-URI (RFC 3261 19.1.1)
	instance, _ := c.Params.Get("+sip.instance")
	regID, _ := c.Params.Get("reg-id")
	b = directory.Binding{
		Extension: ext, Instance: strings.Trim(instance, "\""), Contact: c.Address.String(),
		Received: p.Remote, Transport: string(p.Protocol), Local: p.Local.String(),
		Path: path, UserAgent: clip(header(req, "User-Agent")), CallID: string(*req.CallID()), CSeq: req.CSeq().SeqNo,
		Expires: now.Add(lasts), Updated: now, Node: s.cfg.Node, Flow: flowID(p),
	}
	if n, err := strconv.Atoi(regID); err == nil && n > 0 && b.Instance != "" {
		b.RegID = n
	}
	for i := range current {
		if sameDevice(&current[i], &b) {
			old = &current[i]
			break
		}
	}
	if old != nil && old.CallID == b.CallID && b.CSeq <= old.CSeq {
		// RFC 3261 10.3 step 7: out of order; the newer one stands.
		return b, nil, s.reply(req, wire.StatusInternalServerError, "An older registration than the one that stands")
	}
	return b, old, nil
}

// sameDevice is RFC 5626 4: by instance and reg-id where the phone says them,
// else by contact.
func sameDevice(a, b *directory.Binding) bool {
	if b.Instance != "" || a.Instance != "" {
		return a.Instance == b.Instance && a.RegID == b.RegID
	}
	return a.Contact == b.Contact
}

// expiresOf reads seconds; what is no number means the default (RFC 3261
// 20.10).
func expiresOf(text string, otherwise time.Duration) time.Duration {
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err != nil {
		return defaultExpires
	}
	return time.Duration(n) * time.Second
}

// follow tells calls of a device that registers from elsewhere, and those that
// wait for it.
func (s *Server) follow(before, put []directory.Binding) {
	for i := range put {
		b := &put[i]
		s.awake(*b)
		for j := range before {
			old := &before[j]
			if old.Key() == b.Key() && (old.Received != b.Received || old.Flow != b.Flow) {
				s.moved(b)
			}
		}
	}
}

// flowID names a connection in a binding: empty over UDP. The process that
// made it is named too, so that a restarted one does not mistake it.
func flowID(p transport.Path) string {
	if p.Protocol == transport.UDP {
		return ""
	}
	return strconv.FormatUint(p.ID(), 10)
}

// flow finds the way to a device: over UDP from the address that it spoke to;
// else over its connection, and if that is gone by a new one if the phone is
// not behind NAT.
func (s *Server) flow(b *directory.Binding, done func(transport.Path, error)) {
	if p, ok := s.standing(b); ok {
		done(p, nil)
		return
	}
	proto := transport.Protocol(b.Transport)
	if proto == transport.UDP {
		done(transport.Path{}, fmt.Errorf("%w: udp to %s", transport.ErrNoSocket, b.Received))
		return
	}
	var u wire.Uri
	if err := wire.ParseUri(b.Contact, &u); err != nil {
		done(transport.Path{}, errNoFlow)
		return
	}
	to, ok := uriAddr(&u)
	if !ok || to.Addr() != b.Received.Addr() || proto == transport.TLS || proto == transport.WSS {
		done(transport.Path{}, errNoFlow)
		return
	}
	s.transport.Dial(proto, to, u.Host, done)
}

// standing gives the way to a device if there is one already.
func (s *Server) standing(b *directory.Binding) (transport.Path, bool) {
	if transport.Protocol(b.Transport) == transport.UDP {
		p, err := s.transport.UDPPath(b.Received, localAddr(b.Local))
		return p, err == nil
	}
	id, err := strconv.ParseUint(b.Flow, 10, 64)
	if err != nil || !b.Updated.After(s.started) {
		return transport.Path{}, false
	}
	p, ok := s.transport.Connection(id)
	return p, ok && p.Remote == b.Received
}

func (s *Server) connClosed(p transport.Path) {
	s.links.lost(p)
	s.connectionLost(p)
	s.cfg.Logger.Debug("connection closed", "peer", p.Remote, "transport", p.Protocol)
}
