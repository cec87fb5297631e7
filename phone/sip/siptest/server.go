// Package siptest runs a whole phone server (SIP, calls, media, store) on a
// network in memory, for tests in virtual time, fuzzing and soaks.
//
//	Phone ── memory.Network ── sip.Server ── call.Exchange ── record.Ledger
//	stranger ──┘                   └── media.Engine               └── SQLite
//
// Within testing/synctest nothing of it waits for the real world but the disk.
package siptest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tincan/bus"
	"tincan/phone/call"
	"tincan/phone/call/record"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/message"
	"tincan/phone/sip"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/transport/memory"
	"tincan/phone/sip/watch"
	"tincan/secret"
	"tincan/store"
)

// Realm is the digest realm of the server.
const Realm = "tincan"

// closeTime bounds closing the store.
const closeTime = 10 * time.Second

// Options say what a Server is; the zero value is a server with no objects.
type Options struct {
	// Addrs are the server's addresses; none: 192.0.2.1 and 2001:db8::1.
	Addrs      []string
	Extensions []directory.ExtensionForm
	Trunks     []directory.TrunkForm
	// Routes are numbers that lead elsewhere than to the extension of that number.
	Routes map[string]string
	// Public are destinations that strangers may call, by name.
	Public map[string]string
	// Config is changed by it before the server is made; may be nil.
	Config func(*sip.Config)
	// Settings nil: registrations of a minute to an hour, no timers, no pings.
	Settings *sip.Settings
	// TLS, if not nil, makes the server listen for TLS too, at PortTLS.
	TLS      *tls.Config
	Logger   *slog.Logger  // nil: nothing
	RingTime time.Duration // 0: a minute
	// Silence ends a call that has no sound from a party; 0: never.
	Silence time.Duration
}

// Server is a phone server on a network in memory, with sockets for UDP and TCP
// at port 5060 of each address.
type Server struct {
	Net       *memory.Network
	Host      *memory.Host
	SIP       *sip.Server
	Calls     *call.Exchange
	Media     *media.Engine
	Bindings  *directory.Bindings
	Directory *directory.Directory
	Ledger    *record.Ledger
	Watch     *watch.Watch
	Texts     *message.Desk
	Store     *store.Store
	Bus       bus.Bus
	Folder    string // of its data

	options Options
	routes  map[string]string
	public  map[string]string
	ids     atomic.Int64
	t       testing.TB
}

// Ports where the server listens.
const (
	Port    = 5060
	PortTLS = 5061
)

// Start makes a server on net; the test must Close it before its bubble ends.
func Start(t testing.TB, net *memory.Network, o Options) *Server {
	t.Helper()
	s := &Server{Net: net, routes: o.Routes, public: o.Public, t: t}
	if o.Addrs == nil {
		o.Addrs = []string{"192.0.2.1", "2001:db8::1"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.RingTime == 0 {
		o.RingTime = time.Minute
	}
	if o.Settings == nil {
		o.Settings = &sip.Settings{RegisterMin: time.Minute, RegisterMax: time.Hour}
	}
	s.Host, s.Folder, s.options = net.Host(o.Addrs...), t.TempDir(), o
	if err := s.open(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Server) open(ctx context.Context, o Options) (err error) {
	dir := s.Folder
	if s.Store, err = store.Open(ctx, dir, store.Options{Logger: o.Logger}); err != nil {
		return err
	}
	if err = s.objects(ctx, dir, o); err != nil {
		return err
	}
	if s.Media, err = media.NewEngine(media.Config{First: 10000, Last: 20000, Logger: o.Logger, Timeout: o.Silence, Network: s.Host.Media()}); err != nil {
		return err
	}
	config := sip.Config{
		Node: "n1", Realm: Realm, Directory: s.Directory, Bindings: s.Bindings, Media: s.Media, Bus: &s.Bus,
		Network: s.Host, Logger: o.Logger, TLS: o.TLS,
	}
	config.Public = func(name string) bool { _, ok := s.public[name]; return ok }
	if o.Config != nil {
		o.Config(&config)
	}
	s.SIP = sip.New(config, *o.Settings)
	s.Calls = call.New(call.Config{
		Node: "n1", Router: s, Ledger: s.Ledger, Bus: &s.Bus, Logger: o.Logger, RingTime: o.RingTime,
		NewID: func() string { return fmt.Sprintf("call-%d", s.ids.Add(1)) },
	})
	s.SIP.SetCalls(s.Calls)
	if err = s.extras(ctx, o); err != nil {
		return err
	}
	ports := map[transport.Protocol]uint16{transport.UDP: Port, transport.TCP: Port}
	if o.TLS != nil {
		ports[transport.TLS] = PortTLS
	}
	for _, a := range o.Addrs {
		for proto, port := range ports {
			if _, err = s.SIP.Listen(proto, netip.AddrPortFrom(netip.MustParseAddr(a), port).String()); err != nil {
				return err
			}
		}
	}
	if err = s.adopt(ctx); err != nil {
		return err
	}
	s.SIP.Start()
	return nil
}

// extras are what the server does beside calls: subscriptions and text messages.
func (s *Server) extras(ctx context.Context, o Options) (err error) {
	s.Watch, err = watch.Open(ctx, watch.Config{
		Store: s.Store, Logger: o.Logger, Directory: s.Directory, Bindings: s.Bindings, Exchange: s.Calls,
		Send: s.SIP.Notify, NewTag: transaction.Token,
	})
	if err != nil {
		return err
	}
	s.SIP.SetWatch(s.Watch)
	s.Texts, err = message.Open(ctx, message.Config{
		Store: s.Store, Bus: &s.Bus, Logger: o.Logger, Carriers: []message.Carrier{s.SIP}, Trunks: s.SIP, NewID: transaction.Token,
		Route: func(_, number string) (string, bool) { return s.Route(call.Party{}, number) },
	})
	s.SIP.SetTexts(s.Texts)
	return err
}

func (s *Server) objects(ctx context.Context, dir string, o Options) error {
	box, err := secret.Open(dir)
	if err != nil {
		return err
	}
	if s.Directory, err = directory.Open(ctx, s.Store, box, Realm); err != nil {
		return err
	}
	err = s.Store.Update(ctx, func(tx *store.Tx) error {
		for i := range o.Extensions {
			text, where := directory.Extensions{}.Secret(&o.Extensions[i])
			*text = box.Seal([]byte(*text), where)
		}
		for i := range o.Trunks {
			if text, where := (directory.Trunks{}).Secret(&o.Trunks[i]); text != nil {
				*text = box.Seal([]byte(*text), where)
			}
		}
		return errors.Join(directory.Extensions{}.Write(tx, o.Extensions, nil), directory.Trunks{}.Write(tx, o.Trunks, nil))
	})
	if err != nil {
		return err
	}
	if err = s.Directory.Reload(ctx); err != nil {
		return err
	}
	if s.Bindings, err = directory.OpenBindings(ctx, s.Store); err != nil {
		return err
	}
	s.Ledger, err = record.Open(ctx, s.Store)
	return err
}

// Close ends the server and waits for all of its goroutines.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := errors.Join(s.Texts.Close(), s.SIP.Close(), s.Watch.Close(), s.Media.Close(), s.Store.Close(ctx)); err != nil {
		s.t.Error(err)
	}
}

// Restart ends the server, leaves it off for a while, and starts it again with what
// it kept: calls that stood are taken up.
func (s *Server) Restart(off time.Duration) {
	s.Close()
	time.Sleep(off)
	o := s.options
	o.Extensions, o.Trunks = nil, nil // they are in the store
	if err := s.open(context.Background(), o); err != nil {
		s.t.Fatal(err)
	}
}

// adopt takes up the calls that stood.
func (s *Server) adopt(ctx context.Context) error {
	all, err := s.Ledger.Standing(ctx)
	for id, state := range all {
		err = errors.Join(err, s.Calls.Adopt(id, state))
	}
	return err
}

// At is where the server listens, on its first address.
func (s *Server) At() netip.AddrPort {
	return netip.AddrPortFrom(s.Host.Source(netip.MustParseAddrPort("192.0.2.99:1")), Port)
}

// Route finds the destination of a number (call.Router).
func (s *Server) Route(from call.Party, number string) (string, bool) {
	if from.Ref == call.Stranger {
		d, ok := s.public[number]
		return d, ok
	}
	if d, ok := s.routes[number]; ok {
		return d, true
	}
	_, ok := s.Directory.Snapshot().Extension(number)
	return "extension:" + number, ok
}

// Dial calls extensions and trunks (call.Router).
func (s *Server) Dial(destination string, set call.Setup, owner call.Owner) (a call.Attempt, err error) {
	kind, name, _ := strings.Cut(destination, ":")
	snap := s.Directory.Snapshot()
	switch kind {
	case "extension":
		if e, ok := snap.Extension(name); ok {
			a.Legs, err = s.SIP.DialExtension(e, set, owner)
			return a, err
		}
	case "trunk":
		name, number, _ := strings.Cut(name, "/")
		if t, ok := snap.Trunk(name); ok {
			a.Legs, err = s.SIP.DialTrunk(t, number, set, owner)
			return a, err
		}
	}
	return a, call.NotFound
}

// Revive makes a leg again (call.Router).
func (s *Server) Revive(_ string, state []byte, owner call.Owner) (call.Leg, error) {
	return s.SIP.Revive(state, owner)
}
