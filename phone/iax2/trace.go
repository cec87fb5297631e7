package iax2

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"tincan/phone/event"
	"tincan/phone/iax2/frame"
)

// Watch turns the publishing of frames on or off.
func (s *Server) Watch(on bool) { s.watched.Store(on) }

// wireID names a session as traces do: our call number and the peer.
func wireID(number uint16, peer netip.AddrPort) string {
	return fmt.Sprintf("iax2-%d@%s", number, peer)
}

// trace publishes a full frame, in the clear and without secrets, for who watches; it
// costs nothing while nobody does. number is ours of the session; 0: there is none.
func (s *Server) trace(out bool, p path, number uint16, b []byte) {
	if !s.watched.Load() || s.cfg.Bus == nil {
		return
	}
	local := netip.AddrPortFrom(p.local, p.port.local.Port())
	if !p.local.IsValid() {
		local = p.port.local
	}
	s.cfg.Bus.Publish(event.Message{
		Time: time.Now(), Out: out, Transport: Transport, Local: local, Peer: p.peer,
		SIPCallID: wireID(number, p.peer), Text: frame.Detail(bytes.Clone(b)),
	})
}
