package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// flowFiles are the descriptors of an RTP flow, for RTP and RTCP.
	flowFiles = 2
	// callFiles are those of a call between two phones.
	callFiles = 2 * flowFiles
	// otherFiles are for the store, listeners, and a house's TCP and TLS phones.
	otherFiles = 200
)

func (x *examination) limits(context.Context) {
	const check = "files"
	limit, err := x.fileLimit()
	if err != nil {
		x.warn(check, fmt.Sprintf("how many the server may open is not known: %v", err), "")
		return
	}
	calls := max(limit-otherFiles, 0) / callFiles
	ports := (int(x.cfg.RTP.Last) - int(x.cfg.RTP.First) + 1) / 2 / 2
	what := fmt.Sprintf("%d may be open at once: enough for %s", limit, count(calls, "call"))
	const do = "raise it: LimitNOFILE=65536 in the systemd unit, or ulimit -n 65536"
	switch {
	case calls == 0:
		x.fail(check, what, do)
	case calls < ports:
		x.warn(check, fmt.Sprintf("%s, while the media ports would do for %d", what, ports), do)
	default:
		x.ok(check, what)
	}
}

// fileLimit is the running server's, or what one started from here would have.
func (x *examination) fileLimit() (int, error) {
	if x.server == nil {
		var l unix.Rlimit
		err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
		return int(min(l.Max, 1<<30)), err // Go raises the soft limit to the hard one
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", x.server.PID))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "Max open files")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, errors.New("/proc does not tell")
	}
	if fields[0] == "unlimited" {
		return 1 << 30, nil
	}
	return strconv.Atoi(fields[0])
}

// soon is how long before its end a certificate should have been renewed: ACME
// clients renew a month before.
const soon = 14 * 24 * time.Hour

func (x *examination) certificate(context.Context) {
	const check = "certificate"
	if len(x.cfg.SIP.TLS)+len(x.cfg.HTTP.TLS) == 0 {
		x.ok(check, "none is needed: tls is empty in [sip] and in [http]")
		return
	}
	certFile, keyFile := x.cfg.SIP.Certificate, x.cfg.SIP.Key
	own := certFile == ""
	if own {
		certFile, keyFile = filepath.Join(x.cfg.Data, ownCertFile), filepath.Join(x.cfg.Data, ownKeyFile)
		if _, err := os.Stat(certFile); errors.Is(err, fs.ErrNotExist) {
			x.ok(check, "not made yet; the first start makes a self-signed one")
			return
		}
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		x.fail(check, fmt.Sprintf("%s with key %s: %v", certFile, keyFile, err), x.mend(own))
		return
	}
	x.judge(check, certFile, pair.Leaf, own)
	if info, err := os.Stat(keyFile); err == nil && info.Mode().Perm()&0o007 != 0 {
		x.warn(check, keyFile+" can be read by every user of this machine", "chmod o= "+keyFile)
	}
}

// mend is how a certificate that is no good is replaced.
func (x *examination) mend(own bool) string {
	if own {
		return "remove both files and restart: a new one is made"
	}
	return "renew it: the server takes new files up by itself"
}

func (x *examination) judge(check, file string, c *x509.Certificate, own bool) {
	left := time.Until(c.NotAfter)
	what := fmt.Sprintf("%s for %s, %d days left", file, names(c), int(left.Hours()/24))
	domain := x.cfg.SIP.Domain
	switch {
	case left <= 0:
		x.fail(check, fmt.Sprintf("%s for %s ended on %s", file, names(c), moment(c.NotAfter)), x.mend(own))
	case time.Now().Before(c.NotBefore):
		x.fail(check, fmt.Sprintf("%s is valid only from %s on", file, moment(c.NotBefore)), "set the clock, or give another certificate")
	case left < soon:
		x.warn(check, what, x.mend(own))
	case domain != "" && c.VerifyHostname(domain) != nil:
		x.warn(check, fmt.Sprintf("%s: [sip] domain %q is not among its names", what, domain), "give one for that name; phones that verify refuse this one")
	case own:
		x.add(check, fine, what+"; self-signed", "phones must be told not to verify it, or be given one that they can: [sip] certificate and key")
	default:
		x.ok(check, what)
	}
}

func names(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return c.Subject.CommonName
	}
	return strings.Join(all, ", ")
}
