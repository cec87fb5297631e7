package ice

import (
	"net"
	"net/netip"

	"github.com/pion/transport/v4"
)

// localNet is the network as pion's agent sees it: of the machine's addresses the
// flow's alone, so that nothing is looked up for a call and nothing shown that
// the party was not shown anyway.
type localNet struct {
	shared
	addr  netip.Addr
	leash *leash
}

// shared is the machine's network.
type shared = transport.Net

// Interfaces gives one with one address.
func (n localNet) Interfaces() ([]*transport.Interface, error) {
	i := transport.NewInterface(net.Interface{Index: 1, MTU: 1500, Name: "own", Flags: net.FlagUp})
	bits := n.addr.BitLen()
	i.AddAddress(&net.IPNet{IP: n.addr.AsSlice(), Mask: net.CIDRMask(bits, bits)})
	return []*transport.Interface{i}, nil
}
