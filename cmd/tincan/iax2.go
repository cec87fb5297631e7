package main

import (
	"context"
	"crypto/rsa"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"tincan/config"
	"tincan/phone/directory/key"
	"tincan/phone/iax2"
	"tincan/phone/sip"
	"tincan/phone/sip/gate"
	"tincan/phone/sip/transport"
)

// openIAX2 makes the server of the other protocol, without sockets.
func (s *server) openIAX2(cfg *config.Config) {
	folder := cfg.Data
	s.iax2 = iax2.New(iax2.Config{
		Directory: s.directory, Bindings: s.bindings, Media: s.media, Bus: &s.bus, Box: s.box, Logger: s.log,
		Gate: iaxGate{s.gate}, Public: s.isPublic, Timeout: cfg.RTP.Timeout,
		Key: func() (*rsa.PrivateKey, error) { return key.Open(filepath.Join(folder, key.FileName)) },
	}, iaxSettings(cfg))
	s.onClose(s.iax2.Close)
}

func iaxSettings(cfg *config.Config) iax2.Settings {
	return iax2.Settings{
		Optional: cfg.IAX2.CalltokenOptional, Encryption: cfg.RTP.Encryption, Guests: cfg.SIP.PublicCalls,
	}
}

func (s *server) listenIAX2(_ context.Context, cfg *config.Config) error {
	s.iax2.SetCalls(s.exchange)
	s.iax2.SetTexts(s.texts)
	for _, a := range cfg.IAX2.UDP {
		local, err := s.iax2.Listen(a)
		if err != nil {
			return explainListen(err, "[iax2] udp", "udp", a)
		}
		s.sockets = append(s.sockets, listening{"iax2", local})
	}
	return nil
}

// iaxGate is the one gate, for IAX2.
type iaxGate struct{ *gate.Limiter }

// Allow asks the gate (iax2.Gate).
func (g iaxGate) Allow(peer netip.AddrPort) bool { return g.Limiter.Allow(peer, transport.UDP) }

// Proved and Wrong tell it (iax2.Gate).
func (g iaxGate) Proved(peer netip.AddrPort) { g.fact(peer, transport.Proved) }

// Wrong tells it of a wrong proof.
func (g iaxGate) Wrong(peer netip.AddrPort) { g.fact(peer, transport.WrongSecret) }

func (g iaxGate) fact(peer netip.AddrPort, kind transport.FactKind) {
	g.Report(transport.Fact{Peer: peer, Protocol: transport.UDP, Kind: kind})
}

// trunkStates are all trunks, of both protocols, by name.
func (s *server) trunkStates() []sip.TrunkStatus {
	list := s.sip.Trunks()
	for _, t := range s.iax2.Trunks() {
		list = append(list, sip.TrunkStatus(t))
	}
	slices.SortFunc(list, func(a, b sip.TrunkStatus) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// failing counts the trunks that are not registered, or down.
func (s *server) failing() int {
	n := s.sip.TrunksFailing()
	for _, t := range s.iax2.Trunks() {
		if t.Error != "" {
			n++
		}
	}
	return n
}
