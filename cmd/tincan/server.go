package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tincan/bus"
	"tincan/config"
	"tincan/phone/app"
	"tincan/phone/app/conference"
	"tincan/phone/call"
	"tincan/phone/call/record"
	"tincan/phone/dialplan"
	"tincan/phone/directory"
	"tincan/phone/event"
	"tincan/phone/iax2"
	"tincan/phone/media"
	"tincan/phone/media/kernel"
	"tincan/phone/media/prompt"
	"tincan/phone/media/secure"
	"tincan/phone/message"
	"tincan/phone/presence"
	"tincan/phone/sip"
	"tincan/phone/sip/gate"
	"tincan/phone/sip/resolve"
	"tincan/phone/sip/transport"
	packages "tincan/phone/sip/watch"
	"tincan/secret"
	"tincan/space"
	"tincan/store"
)

// realm is the digest realm. It is not the domain, so that a domain can change
// without every phone's password being asked again.
const realm = "tincan"

// server is everything that runs, wired together. What it has is closed in the
// reverse of the order in which it was opened.
type server struct {
	log        *slog.Logger
	config     atomic.Pointer[config.Config]
	started    time.Time
	resolveNow chan struct{}
	bus        bus.Bus
	lock       *os.File
	box        *secret.Box
	store      *store.Store
	directory  *directory.Directory
	bindings   *directory.Bindings
	plan       *dialplan.Plan
	ledger     *record.Ledger
	space      *space.Space
	kernel     *kernel.Relay // nil: none, and noKernel says why
	noKernel   string
	media      *media.Engine
	certs      *certificate
	exchange   *call.Exchange
	apps       *app.Apps
	prompts    *prompt.Library
	rooms      *conference.Rooms
	recordings string                      // folder
	hold       func() (media.Source, bool) // what is heard on hold
	tapes      tapes
	gate       *gate.Limiter
	sip        *sip.Server
	iax2       *iax2.Server
	lamps      *packages.Watch
	texts      *message.Desk
	external   *outside
	sockets    []listening
	besideICE  net.Listener // what is not media on the port that ICE and browsers share; nil: there is none
	fresh      []starter    // extensions made at this very start
	closers    []func() error
	closeOnce  sync.Once
	closeErr   error

	watchers sync.Mutex // guards watching
	watching int
}

// listening is a socket that is open, for status and welcome.
type listening struct {
	Proto string         `json:"proto"`
	Addr  netip.AddrPort `json:"addr"`
}

func (s *server) cfg() *config.Config { return s.config.Load() }

// node names this process in tags and Call-IDs. One node for now.
const node = "n1"

// startServer opens everything in order; if one fails the others are closed.
func startServer(ctx context.Context, cfg *config.Config, log *slog.Logger) (*server, error) {
	s := &server{log: log, started: time.Now(), resolveNow: make(chan struct{}, 1)}
	s.config.Store(cfg)
	for _, step := range []func(context.Context, *config.Config) error{
		s.openData, s.openStore, s.openObjects, s.openPhones, s.openWatching, s.openTexts, s.listen, s.listenIAX2, s.openHTTP, s.openControl, s.adopt, s.openTidy,
	} {
		if err := step(ctx, cfg); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	s.sip.Start()
	s.iax2.Start()
	s.texts.Resume()
	log.Info("ready", "version", version, "commit", commit, "data", cfg.Data, "took", time.Since(s.started).Round(time.Millisecond))
	return s, nil
}

func (s *server) onClose(f func() error) { s.closers = append(s.closers, f) }

func (s *server) close() error {
	s.closeOnce.Do(func() {
		var errs []error
		for _, f := range slices.Backward(s.closers) {
			errs = append(errs, f())
		}
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}

// openData takes the data folder for this process alone, and the key in it.
func (s *server) openData(_ context.Context, cfg *config.Config) (err error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w; set data = \"...\" to a folder that can be written", err)
	}
	if s.lock, err = lockData(cfg.Data); err != nil {
		return err
	}
	s.onClose(s.lock.Close)
	s.box, err = secret.Open(cfg.Data)
	return err
}

func (s *server) openStore(ctx context.Context, cfg *config.Config) (err error) {
	where := cfg.Data
	if cfg.Database != "" {
		where = cfg.Database
	}
	s.store, err = store.Open(ctx, where, store.Options{
		Synchronous: cfg.Store.Synchronous, Logger: s.log,
		Events: func(e store.Event) {
			s.bus.Publish(event.Store{Time: time.Now(), Up: e.State == store.Up, Detail: e.State.String()})
		},
	})
	if err != nil {
		return err
	}
	s.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), storeTime)
		defer cancel()
		return s.store.Close(ctx)
	})
	return nil
}

func (s *server) openObjects(ctx context.Context, cfg *config.Config) (err error) {
	if s.directory, err = directory.Open(ctx, s.store, s.box, realm); err != nil {
		return err
	}
	s.warnOfCleaning()
	if s.bindings, err = directory.OpenBindings(ctx, s.store); err != nil {
		return err
	}
	s.plan, err = dialplan.Open(ctx, dialplan.Config{Store: s.store, Extension: func(number string) bool {
		_, ok := s.directory.Snapshot().Extension(number)
		return ok
	}})
	if err != nil {
		return err
	}
	if s.ledger, err = record.Open(ctx, s.store); err != nil {
		return err
	}
	if err = presence.Migrate(ctx, s.store); err != nil {
		return err
	}
	if s.space, err = openSpace(ctx, s.store, s.box, s.reloadObjects); err != nil {
		return err
	}
	s.forgetRemoved() // extensions that went while no server ran
	if err := s.begin(ctx, cfg); err != nil {
		return err
	}
	s.keepResolving()
	return nil
}

// openPhones makes media, calls and SIP, which know each other through small
// interfaces.
func (s *server) openPhones(_ context.Context, cfg *config.Config) (err error) {
	reach, err := s.openICE(cfg) // before media: it closes after the last flow
	if err != nil {
		return err
	}
	carrier, why := s.openKernel(cfg)
	s.noKernel = why
	s.media, err = media.NewEngine(media.Config{
		First: cfg.RTP.First, Last: cfg.RTP.Last, Timeout: cfg.RTP.Timeout, Logger: s.log,
		Kernel: carrier, NoKernel: why,
	})
	if err != nil {
		return err
	}
	s.onClose(s.media.Close)
	if err := s.openSound(cfg); err != nil {
		return err
	}
	if s.certs, err = openCertificate(cfg, s.log); err != nil {
		return err
	}
	handshake, err := s.certs.tls(cfg.SIP.Authorities)
	if err != nil {
		return err
	}
	identity, err := secure.NewIdentity(s.box.Derive("certificate for media"))
	if err != nil {
		return err
	}
	s.external = newOutside(s.log)
	s.gate = gate.New(gate.Config{Settings: gateSettings(cfg), Trusted: s.isTrunk, Held: s.heldBack})
	s.sip = sip.New(sip.Config{
		Node: node, Realm: realm, Directory: s.directory, Bindings: s.bindings, Media: s.media,
		Bus: &s.bus, Gate: s.gate, Public: s.isPublic, Box: s.box, Identity: identity, Decoy: s.box.Derive("users that do not exist"), TLS: handshake, Logger: s.log,
		Resolver: s.resolver(cfg), ICE: reach,
	}, s.settings(cfg))
	s.onClose(s.sip.Close)
	s.openIAX2(cfg)
	s.exchange = call.New(call.Config{
		Node: node, Router: &router{s}, Ledger: s.ledger, Bus: &s.bus, Logger: s.log,
		RingTime: cfg.SIP.RingTimeout, NewID: newID, Music: s.hold,
	})
	s.sip.SetCalls(s.exchange)
	s.external.found = func(netip.Addr) { s.sip.Reconfigure(s.settings(s.cfg())) }
	s.external.start(cfg.SIP.External)
	s.sip.Reconfigure(s.settings(cfg)) // an address that was given is known by now
	s.onClose(s.external.close)
	return nil
}

// resolver finds trunks by the name servers of the configuration.
func (s *server) resolver(cfg *config.Config) *resolve.Resolver {
	if len(cfg.SIP.DNS) == 0 {
		return nil
	}
	return resolve.New(resolve.Config{
		Servers: cfg.SIP.DNS, Reaches: func(a netip.Addr) bool { return s.sip.Reaches(a) },
	})
}

func (s *server) settings(cfg *config.Config) sip.Settings {
	return sip.Settings{
		Domain: cfg.SIP.Domain, Aliases: cfg.SIP.Aliases, Guests: cfg.SIP.PublicCalls, External: s.external.addr(), Local: cfg.SIP.Local,
		RegisterMin: cfg.SIP.RegisterMin, RegisterMax: cfg.SIP.RegisterMax,
		Session: cfg.SIP.SessionExpires, Ping: cfg.SIP.Ping, Encryption: cfg.RTP.Encryption,
	}
}

func (s *server) listen(_ context.Context, cfg *config.Config) error {
	for _, l := range []struct {
		proto transport.Protocol
		addrs []string
	}{{transport.UDP, cfg.SIP.UDP}, {transport.TCP, cfg.SIP.TCP}, {transport.TLS, cfg.SIP.TLS}} {
		for _, a := range l.addrs {
			local, err := s.sip.Listen(l.proto, a)
			if err != nil {
				return explainListen(err, "[sip] "+string(l.proto), string(l.proto), a)
			}
			s.sockets = append(s.sockets, listening{string(l.proto), local})
		}
	}
	return nil
}

func (s *server) openHTTP(_ context.Context, cfg *config.Config) error {
	for _, addr := range cfg.HTTP.TLS {
		l, err := s.listenTLS(cfg, addr)
		if err != nil {
			return explainListen(err, "[http] tls", "tcp", addr)
		}
		at := l.Addr().(*net.TCPAddr).AddrPort()
		s.sockets = append(s.sockets, listening{string(transport.WSS), at})
		mux := http.NewServeMux()
		mux.Handle("GET /ws", s.sip.WebSocket(at.Port()))
		s.serveHTTP(tls.NewListener(l, s.certs.web()), mux, forStrangers)
	}
	if cfg.HTTP.Listen == "" {
		return nil
	}
	l, err := listenTCP(cfg.HTTP.Listen)
	if err != nil {
		return explainListen(err, "[http] listen", "tcp", cfg.HTTP.Listen)
	}
	s.sockets = append(s.sockets, listening{"http", l.Addr().(*net.TCPAddr).AddrPort()})
	s.serveHTTP(l, s.httpHandler())
	return nil
}

// Bounds of the HTTP servers.
const (
	httpHeaderTime = 5 * time.Second
	httpIdleTime   = 2 * time.Minute
	httpCloseTime  = time.Second
)

func (s *server) serveHTTP(l net.Listener, h http.Handler, change ...func(*http.Server)) {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: httpHeaderTime, IdleTimeout: httpIdleTime,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	for _, f := range change {
		f(srv)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("HTTP ended", "addr", l.Addr(), "error", err)
		}
	}()
	s.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), httpCloseTime)
		defer cancel()
		err := srv.Shutdown(ctx)
		if err != nil {
			err = srv.Close() // a trace that is still watched
		}
		<-ended
		return err
	})
}

// adopt goes on with the calls that stood when the last process ended.
func (s *server) adopt(ctx context.Context, _ *config.Config) error {
	standing, err := s.ledger.Standing(ctx)
	if err != nil {
		return err
	}
	for id, state := range standing {
		if err := s.exchange.Adopt(id, state); err != nil {
			s.log.Warn("call was interrupted by the restart", "call", id, "error", err)
			if errors.Is(err, call.ErrUnreadable) {
				s.ledger.Interrupt(id, node, time.Now(), func(error) {})
			}
		}
	}
	s.media.Adopted()
	return nil
}

// reconfigure takes a new configuration whole or not at all. What sockets and
// the store were opened with cannot change while they are open.
func (s *server) reconfigure(cfg *config.Config) error {
	if names := fixed(s.cfg(), cfg); len(names) > 0 {
		return fmt.Errorf("%w: %v changed", errNeedsRestart, names)
	}
	s.config.Store(cfg)
	s.external.start(cfg.SIP.External)
	s.sip.Reconfigure(s.settings(cfg))
	s.iax2.Reconfigure(iaxSettings(cfg))
	s.gate.Reconfigure(gateSettings(cfg))
	s.exchange.Reconfigure(cfg.SIP.RingTimeout)
	return nil
}

// fixed names the settings that differ and are read at the start alone.
func fixed(old, cfg *config.Config) (names []string) {
	for _, f := range []struct {
		name string
		same bool
	}{
		{"data", old.Data == cfg.Data},
		{"database", old.Database == cfg.Database},
		{"[sip] udp", slices.Equal(old.SIP.UDP, cfg.SIP.UDP)},
		{"[sip] tcp", slices.Equal(old.SIP.TCP, cfg.SIP.TCP)},
		{"[sip] tls", slices.Equal(old.SIP.TLS, cfg.SIP.TLS)},
		{"[sip] dns", slices.Equal(old.SIP.DNS, cfg.SIP.DNS)},
		{"[sip] certificate", old.SIP.Certificate == cfg.SIP.Certificate && old.SIP.Key == cfg.SIP.Key && old.SIP.Authorities == cfg.SIP.Authorities},
		{"[iax2] udp", slices.Equal(old.IAX2.UDP, cfg.IAX2.UDP)},
		{"[iax2] udp", slices.Equal(old.IAX2.UDP, cfg.IAX2.UDP)},
		{"[rtp] ports", old.RTP.Ports == cfg.RTP.Ports},
		{"[rtp] timeout", old.RTP.Timeout == cfg.RTP.Timeout},
		{"[rtp] kernel", old.RTP.Kernel == cfg.RTP.Kernel},
		{"[ice]", sameICE(old.ICE, cfg.ICE)},
		{"[sound]", old.Sound == cfg.Sound},
		{"[http]", old.HTTP.Listen == cfg.HTTP.Listen && slices.Equal(old.HTTP.TLS, cfg.HTTP.TLS)},
		{"[log] format", old.Log.Format == cfg.Log.Format},
		{"[store]", old.Store == cfg.Store},
	} {
		if !f.same {
			names = append(names, f.name)
		}
	}
	return names
}

// reloadObjects is called after each change of the store's objects.
func (s *server) reloadObjects(ctx context.Context) error {
	if err := s.directory.Reload(ctx); err != nil {
		return err
	}
	if err := s.plan.Reload(ctx); err != nil {
		return err
	}
	s.forgetRemoved()
	if s.lamps != nil { // else it is still starting
		if err := s.lamps.Reload(ctx); err != nil {
			return err
		}
	}
	s.retainTexts()
	if s.sip != nil { // not while the first objects are made
		s.sip.TrunksChanged()
		s.iax2.Reload()
	}
	select {
	case s.resolveNow <- struct{}{}:
	default:
	}
	return nil
}

// forgetRemoved takes away the devices of extensions and trunks that are no more.
func (s *server) forgetRemoved() {
	snap := s.directory.Snapshot()
	for _, b := range s.bindings.Retain(snap.Registers) {
		s.bus.Publish(event.Registration{Time: time.Now(), Extension: b.Extension, Contact: b.Shown(), Step: "removed"})
	}
}
