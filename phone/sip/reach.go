package sip

import (
	"strings"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// send starts a transaction within the dialog. Called with mu held; on never
// is.
func (l *leg) send(req *wire.Request, on transaction.Responses) {
	l.follow()
	on = l.proving(req, on)
	p, err := l.hop(l.s.transport)
	if err == nil && p.Valid() {
		l.s.layer.Request(req, p, on)
		return
	}
	lost := l.path
	go l.reconnect(lost, func(p transport.Path, err error) {
		if err != nil {
			on(nil, err)
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.path = p
		l.s.layer.Request(req, p, on)
	})
}

// follow takes the way of a phone's registration if that is younger than what
// was last heard of it here: the phone, or its NAT, has moved. Called with mu
// held.
func (l *leg) follow() {
	b, ok := l.registration()
	if !ok || !b.Updated.After(l.heard) || b.Transport != string(l.path.Protocol) || b.Received == l.path.Remote {
		return
	}
	if p, ok := l.s.standing(&b); ok {
		l.path, l.heard = p, b.Updated
	}
}

// reconnect finds a way to a party whose connection is gone, or was when the
// process began: to a phone that of its registration, to others a new one.
func (l *leg) reconnect(lost transport.Path, done func(transport.Path, error)) {
	if b, ok := l.registration(); ok {
		l.s.anyFlow(b, done)
		return
	}
	l.mu.Lock()
	to, host, ok := lost.Remote, l.hostAsked(), l.uac && !l.device
	if !l.uac && !l.device { // it called from a port of the moment
		to, ok = uriAddr(&l.target)
		host = l.target.Host
	}
	l.mu.Unlock()
	if !ok || !lost.Protocol.Reliable() {
		done(transport.Path{}, errNoFlow)
		return
	}
	l.s.transport.Dial(lost.Protocol, to, strings.Trim(host, "[]"), done)
}

// hostAsked is the host that was asked for when the leg was dialled: what TLS verifies.
// Called with mu held.
func (l *leg) hostAsked() string {
	if l.link != nil {
		if q, _, err := l.link.hop(l.link.setup()); err == nil {
			return q.Host
		}
	}
	return l.remote.Host
}

// registration finds the present one of the leg's device.
func (l *leg) registration() (directory.Binding, bool) {
	for _, b := range l.s.cfg.Bindings.SIP(strings.TrimPrefix(l.party, "extension:")) {
		if k := b.Key(); k == l.key || l.key == "" && b.Contact == l.name {
			return b, true
		}
	}
	return directory.Binding{}, false
}
