package sip

import (
	"bytes"
	"regexp"
	"time"

	"tincan/phone/event"
	"tincan/phone/sip/transport"
)

// secrets are the parts of a message that prove somebody's secret or carry key
// material; a trace shows stars in their place.
var secrets = regexp.MustCompile(`(?im)((?:response|cnonce|nonce)="?)[^",\r\n]+|(^a=crypto:[^\r\n]*?inline:)[^\r\n]+|(^k=)[^\r\n]+|(^a=ice-pwd:)\S+`)

// mask hides the secrets of a message.
func mask(b []byte) string {
	return string(secrets.ReplaceAll(b, []byte("${1}${2}${3}${4}***")))
}

// trace publishes a message for who watches; it costs nothing while nobody does.
func (s *Server) trace(out bool, p transport.Path, b []byte) {
	if !s.watched.Load() || len(b) <= len(crlf) {
		return
	}
	s.cfg.Bus.Publish(event.Message{
		Time: time.Now(), Out: out, Transport: string(p.Protocol), Local: p.Local, Peer: p.Remote,
		SIPCallID: callIDOf(b), Text: mask(b),
	})
}

// Watch turns the publishing of messages on or off.
func (s *Server) Watch(on bool) { s.watched.Store(on) }

func callIDOf(b []byte) string {
	for line := range bytes.Lines(b) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		name = bytes.TrimSpace(name)
		if bytes.EqualFold(name, []byte("Call-ID")) || bytes.EqualFold(name, []byte("i")) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}
