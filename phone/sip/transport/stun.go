package transport

import (
	"net/netip"

	"github.com/pion/stun/v4"
)

// answerSTUN answers a phone's keep-alive: a Binding request on the SIP port (RFC
// 5626 8), with the address that the phone has on this side of its NAT. It reports
// whether the datagram is STUN, from whomever.
func (t *Transport) answerSTUN(s *udpSocket, b []byte, from netip.AddrPort, to netip.Addr) bool {
	if !stun.IsMessage(b) {
		return false
	}
	t.Counts.Junk.Add(1)
	if t.cfg.KeepAlive == nil || !t.cfg.KeepAlive(from) {
		return true
	}
	m := &stun.Message{Raw: b}
	if m.Decode() != nil || m.Type != stun.BindingRequest {
		return true
	}
	answer, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess,
		&stun.XORMappedAddress{IP: from.Addr().Unmap().AsSlice(), Port: int(from.Port())})
	if err == nil {
		_ = s.conn.Send(answer.Raw, to, from)
	}
	return true
}
