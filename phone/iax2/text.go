package iax2

import (
	"strings"
	"unicode/utf8"

	"tincan/phone/iax2/frame"
	"tincan/phone/message"
)

// Texts takes what is written in calls; *message.Desk is one.
type Texts interface {
	Send(m message.Message, done func(message.Result))
}

// plainText is the type of texts in IAX2 (RFC 5456 8.2.7): it has no other.
const plainText = "text/plain;charset=UTF-8"

// maxWritten bounds a text: what a datagram holds without being cut by the network.
const maxWritten = 1200

// SetTexts says who takes texts. It comes before Listen.
func (s *Server) SetTexts(t Texts) { s.texts = t }

// says is the party of a call writing to the other: IAX2 has no texts outside of
// calls.
func (l *leg) says(payload []byte) {
	text := strings.TrimRight(string(payload), "\x00")
	if l.x.s.texts == nil || l.correspondent == "" || text == "" || !utf8.ValidString(text) {
		return
	}
	m := message.Message{
		From: l.account.ref, Number: l.number, Name: l.name, To: l.correspondent,
		Type: plainText, Body: []byte(text), Hops: startHops,
	}
	l.x.after(func() { l.x.s.texts.Send(m, func(message.Result) {}) })
}

// Devices names the devices of an extension that can be written to: those in a call
// (message.Carrier).
func (s *Server) Devices(extension string) (names []string) {
	for _, l := range s.conversing(extension) {
		names = append(names, l.id)
	}
	return names
}

// conversing are the standing calls of an extension's devices.
func (s *Server) conversing(extension string) (list []*leg) {
	for _, x := range s.sessions.all() {
		x.mu.Lock()
		if l, ok := x.party.(*leg); ok && l.stage == up && l.account.ref == "extension:"+extension {
			list = append(list, l)
		}
		x.unlock()
	}
	return list
}

// Deliver writes to a device in its call; done comes at once (message.Carrier).
func (s *Server) Deliver(m *message.Message, device string, done func(message.Answer)) {
	if !strings.HasPrefix(strings.ToLower(m.Type), "text/plain") || len(m.Body) > maxWritten {
		done(message.Cannot)
		return
	}
	for _, l := range s.conversing(m.To) {
		if l.id == device {
			l.write(m.Body)
			done(message.Took)
			return
		}
	}
	done(message.NotNow)
}

func (l *leg) write(text []byte) {
	l.x.mu.Lock()
	defer l.x.unlock()
	l.x.send(frame.Full{Type: frame.Text, Time: l.x.stamp(), Payload: text}, false)
}

var _ message.Carrier = (*Server)(nil)
