package main

import (
	"net/netip"
	"time"

	"tincan/config"
	"tincan/phone/event"
	"tincan/phone/sip/gate"
)

func gateSettings(cfg *config.Config) gate.Settings {
	g := cfg.Gate
	return gate.Settings{Off: !g.Enabled, Rate: g.Rate, Burst: g.Burst, Total: g.Total, Exempt: g.Exempt}
}

// isTrunk tells the gate of trunks that are known by their address.
func (s *server) isTrunk(peer netip.AddrPort) bool {
	_, ok := s.directory.Snapshot().TrunkFor(peer)
	return ok
}

func (s *server) heldBack(peer netip.AddrPort, messages uint64) {
	s.bus.Publish(event.HeldBack{Time: time.Now(), Peer: peer, Messages: messages})
	s.log.Warn("an address sends too much and is held back", "peer", peer, "messages", messages)
}

// isPublic tells whether strangers may call a name.
func (s *server) isPublic(name string) bool {
	_, ok := s.plan.Public(name)
	return ok
}
