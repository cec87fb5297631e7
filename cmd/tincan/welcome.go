package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"tincan/config"
	"tincan/config/form"
	"tincan/secret"
	"tincan/space"
)

// starter is an extension that a new server begins with.
type starter struct{ number, name, secret string }

// begin gives a server that never had an object, and was told of none by a
// configuration, two extensions to begin with.
func (s *server) begin(ctx context.Context, cfg *config.Config) error {
	if cfg.File != "" {
		return nil
	}
	versions, err := s.space.History(ctx)
	if err != nil || len(versions) > 0 {
		return err
	}
	var doc strings.Builder
	doc.WriteString("# What a new server begins with.\n")
	fresh := []starter{{"101", "First phone", secret.Generate(space.SecretLength)}, {"102", "Second phone", secret.Generate(space.SecretLength)}}
	for _, e := range fresh {
		fmt.Fprintf(&doc, "[[extension]]\nnumber = %s\nname = %s\nsecret = %s\n", form.Quote(e.number), form.Quote(e.name), form.Quote(e.secret))
	}
	if _, err := s.space.Apply(ctx, []byte(doc.String()), "first start", "tincan"); err != nil {
		return err
	}
	s.fresh = fresh
	return nil
}

// welcome tells a person what to do next. Secrets are shown once, when they
// are made, and on a standard output alone: never in the log.
func (s *server) welcome(w io.Writer) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nTincan %s is ready. Phones reach it at:\n", version)
	host := s.reachable()
	for _, l := range s.sockets {
		if l.Proto == "http" {
			continue
		}
		fmt.Fprintf(&b, "  %-4s %s port %d\n", strings.ToUpper(l.Proto), host, l.Addr.Port())
	}
	program := os.Args[0] // as it was called, so that the commands below can be copied
	switch {
	case len(s.fresh) > 0:
		b.WriteString("\nTwo extensions are ready:\n")
		for _, e := range s.fresh {
			fmt.Fprintf(&b, "  user %s   password %s\n", e.number, e.secret)
		}
		fmt.Fprintf(&b, `
In each phone (Linphone, baresip, a desk phone, ...) make a SIP account with one
of these users, its password, and %s as domain or server. Then dial the other
number; *43 repeats what you say. See a password again: %s extension secret 101
`, s.withPort(host), program)
	case len(s.directory.Snapshot().Extensions()) == 0:
		fmt.Fprintf(&b, "\nNo extension yet: %s extension add 101%s\n", program, s.configFlag())
	default:
		fmt.Fprintf(&b, "\nExtensions: %s extension list%[2]s   A password: %[1]s extension secret NUMBER%[2]s\n", program, s.configFlag())
	}
	fmt.Fprintf(&b, "Something wrong: %s doctor%s   Stop: Ctrl-C, or kill %d\n\n", program, s.configFlag(), os.Getpid())
	_, _ = io.WriteString(w, b.String())
}

// withPort adds the SIP port where it is not the usual one.
func (s *server) withPort(host string) string {
	for _, l := range s.sockets {
		if l.Proto == "udp" && l.Addr.Port() != sipPort {
			return net.JoinHostPort(host, strconv.Itoa(int(l.Addr.Port())))
		}
	}
	return host
}

// sipPort is what a phone tries when it is told none (RFC 3261 19.1.2).
const sipPort = 5060

// configFlag is what commands need to find this server.
func (s *server) configFlag() string {
	if file := s.cfg().File; file != "" && file != config.DefaultFile {
		return " --config " + file
	}
	return ""
}

// reachable is the address to give to a phone in the same network.
func (s *server) reachable() string {
	if d := s.cfg().SIP.Domain; d != "" {
		return d
	}
	for _, l := range s.sockets {
		if l.Proto != "http" && !l.Addr.Addr().IsUnspecified() {
			return l.Addr.Addr().String()
		}
	}
	best := "127.0.0.1"
	for _, a := range interfaceAddrs() {
		if a.Is4() && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			return a.String()
		}
	}
	return best
}
