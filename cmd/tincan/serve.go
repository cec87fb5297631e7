package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"tincan/config"
)

func serveCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run the server in the foreground", Args: cobra.NoArgs,
		Long: `Runs the server until it is told to stop.

SIGTERM or Ctrl-C: no new calls; running calls get [shutdown] time, then end. A
second signal ends at once. SIGHUP: the configuration is read again, whole or
not at all; calls live on.`,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			return serve(o, cfg)
		},
	}
}

// signals are what an operator tells a running server.
func signals() (chan os.Signal, func()) {
	c := make(chan os.Signal, 4)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

func serve(o *options, cfg *config.Config) error {
	level := new(slog.LevelVar)
	log := newLogger(o.err, cfg.Log, level)
	sig, stop := signals()
	defer stop()
	defer catchComplaints(log)()
	s, err := startServer(context.Background(), cfg, log)
	if err != nil {
		return err
	}
	s.welcome(o.out)
	notify(log, daemon.SdNotifyReady)
	for got := range sig {
		if got == syscall.SIGHUP {
			reload(s, o, level, log)
			continue
		}
		notify(log, daemon.SdNotifyStopping)
		return shutdown(s, sig, log)
	}
	return nil
}

// reload reads the configuration again: whole or not at all.
func reload(s *server, o *options, level *slog.LevelVar, log *slog.Logger) {
	notify(log, fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, monotonic()))
	defer notify(log, daemon.SdNotifyReady)
	cfg, err := o.load()
	if err == nil {
		err = s.reconfigure(cfg)
	}
	if err != nil {
		log.Error("the configuration was read again and not taken; the old one stands", "error", err)
		return
	}
	setLevel(level, cfg.Log.Level)
	log.Info("configuration read again")
}

func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano() / 1000
}

// byeTime is how long phones get to answer the last BYEs.
const byeTime = 2 * time.Second

// sameSignal is the time within which a second signal is the first one come
// twice: timeout(1), and a terminal's Ctrl-C through make, send it so.
const sameSignal = 300 * time.Millisecond

// shutdown lets calls end for a bounded time. A second signal ends at once.
func shutdown(s *server, sig chan os.Signal, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg().Shutdown)
	now, _ := s.exchange.Counts()
	asked := time.Now()
	log.Info("stopping: no new calls", "running", now, "at_most", s.cfg().Shutdown)
	done := make(chan error, 1)
	go func() {
		defer cancel() // here: a second signal leaves the calls as they stand
		s.exchange.Drain(ctx)
		bye, cancel := context.WithTimeout(context.Background(), byeTime)
		defer cancel()
		s.sip.Unregister(bye)
		s.iax2.Unregister(bye)
		s.sip.Settle(bye)
		done <- s.close()
	}()
	for {
		select {
		case err := <-done:
			log.Info("stopped")
			return err
		case got := <-sig:
			if got != syscall.SIGHUP && time.Since(asked) > sameSignal {
				log.Warn("stopped at once; calls that stood are taken up again if the server is started soon")
				return exitCode(1)
			}
		}
	}
}

func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd could not be notified", "error", err)
	}
}

func newLogger(w io.Writer, c config.Log, level *slog.LevelVar) *slog.Logger {
	setLevel(level, c.Level)
	opts := &slog.HandlerOptions{Level: level}
	f, isFile := w.(*os.File)
	text := c.Format == "text" || c.Format == "auto" && isFile && isatty.IsTerminal(f.Fd())
	if text {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

func setLevel(v *slog.LevelVar, name string) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err == nil {
		v.Set(l)
	}
}

// storeTime bounds what is written at the very end.
const storeTime = 5 * time.Second

var errNeedsRestart = errors.New("needs a restart")
