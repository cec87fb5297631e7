package sip

import (
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/message"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// Texts is where MESSAGEs go: message.Desk.
type Texts interface {
	Send(m message.Message, done func(message.Result))
	Registered(extension string)
}

// SetTexts says where text messages go, before Listen; nil: they are refused. The
// server itself is a message.Carrier.
func (s *Server) SetTexts(t Texts) { s.texts = t }

var _ message.Carrier = (*Server)(nil)

// composing is the type of "Ada is typing" (RFC 3994).
const composing = "application/im-iscomposing+xml"

// passed are the headers of a MESSAGE that belong to its content.
var passed = []string{
	"Subject", "Date", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Transfer-Encoding", "MIME-Version",
}

// message takes a MESSAGE outside of any dialog (RFC 3428): 200 when a device has
// it, 202 when it waits for one.
func (s *Server) message(tx *transaction.Server, req *wire.Request, p transport.Path) {
	if s.texts == nil {
		tx.RespondOnce(s.withAllow(s.reply(req, wire.StatusMethodNotAllowed, "Method Not Allowed")))
		return
	}
	who, ok := s.identify(tx, req, p)
	if !ok {
		return
	}
	if forwards(req) <= 0 {
		tx.RespondOnce(s.reply(req, wire.StatusTooManyHops, "Too Many Hops"))
		return
	}
	m := message.Message{
		From: who.Ref, Number: who.Number, Name: who.Name, Private: who.Private, To: dialled(req, s.trunkNamed(who.Ref)),
		Type: header(req, "Content-Type", "c"), Body: req.Body(), Headers: map[string]string{}, Hops: forwards(req) - 1,
	}
	if m.Type == "" {
		m.Type = "text/plain"
	}
	for _, name := range passed {
		if v := header(req, name); v != "" {
			m.Headers[name] = v
		}
	}
	if v := header(req, "s"); v != "" && m.Headers["Subject"] == "" {
		m.Headers["Subject"] = v
	}
	if n, err := strconv.ParseUint(header(req, "Expires"), 10, 32); err == nil && n > 0 { // RFC 3428 7
		m.Expires = time.Now().Add(time.Duration(n) * time.Second)
	}
	kind, _, _ := strings.Cut(m.Type, ";")
	m.Fleeting = strings.EqualFold(strings.TrimSpace(kind), composing)
	if headerBytes(&m) > maxTextHeaders {
		tx.Respond(s.reply(req, 513, "Message Too Large"))
		return
	}
	s.texts.Send(m, func(r message.Result) { s.answerMessage(tx, req, r) })
}

// maxTextHeaders bounds what is kept of a message beside its content, in bytes.
const maxTextHeaders = 4096

func headerBytes(m *message.Message) int {
	n := len(m.Type) + len(m.Name) + len(m.Number) + len(m.To)
	for k, v := range m.Headers {
		n += len(k) + len(v)
	}
	return n
}

func (s *Server) answerMessage(tx *transaction.Server, req *wire.Request, r message.Result) {
	code, reason := wire.StatusOK, "OK"
	switch r.Verdict {
	case message.Taken:
	case message.Kept:
		code, reason = wire.StatusAccepted, "Accepted: "+r.Text
	case message.Unknown:
		code, reason = wire.StatusNotFound, "Not Found"
	case message.Absent, message.Full:
		code, reason = wire.StatusTemporarilyUnavailable, "Unavailable: "+r.Text
	case message.TooLarge:
		code, reason = wire.StatusRequestEntityTooLarge, "Too Large: "+r.Text
	case message.Refused:
		code, reason = wire.StatusUnsupportedMediaType, "Refused: "+r.Text
	default:
		code, reason = wire.StatusInternalServerError, "Failed: "+r.Text
	}
	tx.Respond(s.reply(req, code, reason))
}

// Devices names the devices of an extension (message.Carrier): a phone with several
// flows is one.
func (s *Server) Devices(extension string) (names []string) {
	now := time.Now()
	seen := map[string]bool{}
	for _, b := range s.cfg.Bindings.SIP(extension) {
		if name := deviceName(&b); b.Expires.After(now) && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

func deviceName(b *directory.Binding) string {
	if b.Instance != "" {
		return b.Instance
	}
	return b.Contact
}

// Deliver offers a message to a device (message.Carrier): by the first of its flows
// that leads anywhere.
func (s *Server) Deliver(m *message.Message, device string, done func(message.Answer)) {
	var flows []directory.Binding
	now := time.Now()
	for _, b := range s.cfg.Bindings.SIP(m.To) {
		if deviceName(&b) == device && b.Expires.After(now) {
			flows = append(flows, b)
		}
	}
	s.deliver(m, flows, done)
}

func (s *Server) deliver(m *message.Message, flows []directory.Binding, done func(message.Answer)) {
	if len(flows) == 0 {
		done(message.NotNow)
		return
	}
	b := flows[0]
	var to wire.Uri
	if err := wire.ParseUri(b.Contact, &to); err != nil {
		s.deliver(m, flows[1:], done)
		return
	}
	s.flow(&b, func(p transport.Path, err error) {
		if err != nil {
			s.deliver(m, flows[1:], done)
			return
		}
		req := s.messageRequest(m, to, wire.Uri{Scheme: "sip", User: escape(m.To), Host: s.domain(p)}, p)
		by(req, b.Path)
		s.layer.Request(req, p, func(res *wire.Response, err error) {
			switch {
			case err != nil:
				done(message.NotNow)
			case !res.IsProvisional():
				done(takes(res.StatusCode))
			}
		})
	})
}

// takes says what an answer to a MESSAGE means.
func takes(code int) message.Answer {
	switch {
	case code < 300:
		return message.Took
	case code == 405, code == 406, code == 413, code == 415, code == 488, code == 501, code == 513:
		return message.Cannot
	}
	return message.NotNow
}

// messageRequest makes a MESSAGE. It has no Contact (RFC 3428 8).
func (s *Server) messageRequest(m *message.Message, target, remote wire.Uri, p transport.Path) *wire.Request {
	req := wire.NewRequest(wire.MESSAGE, target)
	from := wire.FromHeader{
		DisplayName: quoted(m.Name), Address: wire.Uri{Scheme: "sip", User: escape(m.Number), Host: s.domain(p)},
		Params: wire.HeaderParams{{K: "tag", V: transaction.Token()}},
	}
	if m.Private {
		from.DisplayName, from.Address = anonymousName, wire.Uri{Scheme: "sip", User: anonymousUser, Host: anonymousHost}
	}
	id := wire.CallIDHeader(s.cfg.Node + "-" + transaction.Token())
	req.AppendHeader(&from)
	req.AppendHeader(&wire.ToHeader{Address: remote})
	req.AppendHeader(&id)
	req.AppendHeader(&wire.CSeqHeader{SeqNo: 1, MethodName: wire.MESSAGE})
	hops := m.Hops
	if hops <= 0 {
		hops = 70
	}
	req.AppendHeader(wire.NewHeader("Max-Forwards", itoa(hops)))
	req.AppendHeader(wire.NewHeader("User-Agent", s.product()))
	for _, name := range passed {
		if v := m.Headers[name]; v != "" {
			req.AppendHeader(wire.NewHeader(name, v))
		}
	}
	if m.Headers["Date"] == "" && !m.Sent.IsZero() { // when it came, to who gets it later
		req.AppendHeader(wire.NewHeader("Date", m.Sent.UTC().Format(sipDate)))
	}
	req.AppendHeader(wire.NewHeader("Content-Type", m.Type))
	req.SetBody(m.Body)
	return req
}

// sipDate is RFC 3261 20.17's form of a time in GMT.
const sipDate = "Mon, 02 Jan 2006 15:04:05 GMT"
