package sip

import (
	"hash/fnv"
	"net/netip"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/event"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// upkeep expires bindings and sends OPTIONS to phones behind NAT, spread over
// the seconds of Settings.Ping.
func (s *Server) upkeep() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			s.expire(now)
			s.links.tick(now, n)
			if rounds := int(s.settings.Load().Ping / time.Second); rounds > 0 {
				s.ping(uint32(n%rounds), uint32(rounds))
			}
			if n%60 == 59 {
				s.nonces.sweep(now)
			}
		}
	}
}

func (s *Server) expire(now time.Time) {
	gone := s.cfg.Bindings.Expire(now)
	s.devicesChanged(nil, gone)
	for _, b := range gone {
		s.cfg.Bus.Publish(event.Registration{Time: now, Extension: b.Extension, Contact: b.Contact, Step: "expired"})
		s.cfg.Logger.Info("registration expired", "extension", b.Extension, "contact", b.Contact)
	}
}

func (s *Server) ping(round, rounds uint32) {
	var due []directory.Binding
	s.cfg.Bindings.Each(func(b *directory.Binding) {
		h := fnv.New32a()
		_, _ = h.Write([]byte(b.Contact))
		if h.Sum32()%rounds == round && b.Transport == string(transport.UDP) && len(b.Path) == 0 { // its proxy keeps it
			due = append(due, *b)
		}
	})
	for i := range due {
		if behindNAT(&due[i]) {
			s.options1(&due[i])
		}
	}
}

// behindNAT reports whether a phone's packets come from elsewhere than it says.
func behindNAT(b *directory.Binding) bool {
	var u wire.Uri
	if err := wire.ParseUri(b.Contact, &u); err != nil {
		return true
	}
	says, ok := uriAddr(&u)
	return !ok || says != b.Received
}

// options1 sends one OPTIONS; whatever is answered, the NAT has seen traffic.
func (s *Server) options1(b *directory.Binding) {
	p, err := s.transport.UDPPath(b.Received, localAddr(b.Local))
	if err != nil {
		return
	}
	var u wire.Uri
	if err := wire.ParseUri(b.Contact, &u); err != nil {
		return
	}
	req := wire.NewRequest(wire.OPTIONS, u)
	from := wire.FromHeader{Address: wire.Uri{Scheme: "sip", User: s.cfg.Node, Host: s.domain(p)}, Params: wire.NewParams()}
	from.Params.Add("tag", transaction.Token())
	to := wire.ToHeader{Address: wire.Uri{Scheme: "sip", User: b.Extension, Host: s.domain(p)}}
	id := wire.CallIDHeader(s.cfg.Node + "-" + transaction.Token())
	req.AppendHeader(&from)
	req.AppendHeader(&to)
	req.AppendHeader(&id)
	req.AppendHeader(&wire.CSeqHeader{SeqNo: 1, MethodName: wire.OPTIONS})
	req.AppendHeader(wire.NewHeader("Max-Forwards", "70"))
	req.AppendHeader(s.contact(p, s.cfg.Node))
	req.SetBody(nil)
	s.layer.Request(req, p, func(*wire.Response, error) {})
}

func localAddr(s string) netip.AddrPort {
	ap, _ := netip.ParseAddrPort(s)
	return ap
}
