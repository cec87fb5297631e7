package ice

import (
	"net"
	"testing"

	"github.com/pion/stun/v4"
)

// inbox is a port with datagrams that came, and what was sent.
type inbox struct {
	net.PacketConn
	in, out [][]byte
}

func (c *inbox) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(c.in) == 0 {
		return 0, nil, net.ErrClosed
	}
	n := copy(b, c.in[0])
	c.in = c.in[1:]
	return n, &net.UDPAddr{}, nil
}

func (c *inbox) WriteTo(b []byte, _ net.Addr) (int, error) {
	c.out = append(c.out, b)
	return len(b), nil
}

// Of checks, those of who wants to be led and has the password are refused; all else
// goes to the agent.
func TestLiteLeavesTheLead(t *testing.T) {
	const pwd = "a password of some length"
	check := func(pwd string, role stun.AttrType) []byte {
		m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.RawAttribute{Type: role, Value: make([]byte, 8)},
			stun.NewShortTermIntegrity(pwd), stun.Fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		return m.Raw
	}
	wrong := check(pwd, stun.AttrICEControlled)
	through := [][]byte{
		check(pwd, stun.AttrICEControlling), check("another", stun.AttrICEControlled), {0, 1, 2}, make([]byte, 172),
	}
	c := &inbox{in: append([][]byte{wrong}, through...)}
	f, b := firm{c, pwd}, make([]byte, 1500)
	for i, want := range through {
		n, _, err := f.ReadFrom(b)
		if err != nil || string(b[:n]) != string(want) {
			t.Errorf("%d: %x, %v", i, b[:n], err)
		}
	}
	if len(c.out) != 1 {
		t.Fatalf("%d answers", len(c.out))
	}
	var code stun.ErrorCodeAttribute
	m := &stun.Message{Raw: c.out[0]}
	if m.Decode() != nil || code.GetFrom(m) != nil || code.Code != stun.CodeRoleConflict || stun.NewShortTermIntegrity(pwd).Check(m) != nil {
		t.Errorf("answered %x", c.out[0])
	}
}
