package ice

import (
	"net"

	"github.com/pion/stun/v4"
)

// firm is a port of a lite agent. Whoever checks it leads, also where it does not know
// that (linphone 5.1, when it is called), and is told so: else the agent would take
// the lead, if its tie-breaker is the greater, and nominate nothing (RFC 8445 6.1.1,
// 7.3.1.1).
type firm struct {
	net.PacketConn
	pwd string
}

// ReadFrom waits for what is not answered by it (net.PacketConn).
func (f firm) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := f.PacketConn.ReadFrom(b)
		if err != nil || !f.corrects(b[:n], from) {
			return n, from, err
		}
	}
}

// corrects refuses a check of somebody who wants to be led, if it has the password.
func (f firm) corrects(b []byte, from net.Addr) bool {
	if !isSTUN(b) || !request(b) {
		return false
	}
	m := &stun.Message{Raw: append([]byte(nil), b...)}
	proof := stun.NewShortTermIntegrity(f.pwd)
	if m.Decode() != nil || !m.Contains(stun.AttrICEControlled) || proof.Check(m) != nil {
		return false
	}
	answer, err := stun.Build(m, stun.BindingError, stun.CodeRoleConflict, proof, stun.Fingerprint)
	if err != nil {
		return false
	}
	_, _ = f.WriteTo(answer.Raw, from) // who is gone asks no more
	return true
}
