package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tincan/bench/proc"
)

const (
	// readyPatience is how long a server may take to answer its first request.
	readyPatience = 20 * time.Second

	// readyPoll is how often a starting server is asked: the error of "ready".
	readyPoll = 2 * time.Millisecond

	// rtpFirst is the first media port given to a server, and portsPerCall how
	// many a call takes: two legs of RTP and RTCP each.
	rtpFirst     = 10000
	portsPerCall = 4
	// sparePorts keeps a search for free ports short.
	sparePorts = 400
)

// The servers, by what is asked of them.
var (
	tincan   = subject{name: "tincan", start: startTincan}
	b2b      = subject{name: "bare sipgo", start: startB2B}
	kamailio = subject{name: "kamailio", needs: "kamailio", start: startKamailio}
	asterisk = subject{name: "asterisk", needs: "asterisk", start: startAsterisk}
)

func startTincan(l *lab, s setting) (*running, error) {
	folder := s.data
	if folder == "" {
		var err error
		if folder, err = os.MkdirTemp(l.folder, "tincan-"); err != nil {
			return nil, err
		}
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	secure, list := "", "[]"
	if s.tls {
		if secure, err = freeAddress(); err != nil {
			return nil, err
		}
		list = fmt.Sprintf("[%q]", secure)
	}
	first, web, other := rtpFirst, "127.0.0.1:0", "[]"
	if s.iax2 != "" {
		first, other = s.ports, fmt.Sprintf("[%q]", s.iax2)
	}
	if s.iax2 != "" || s.wss {
		if web, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	wss, browsers := "", "[]"
	if s.wss {
		if wss, err = freeAddress(); err != nil {
			return nil, err
		}
		browsers = fmt.Sprintf("[%q]", wss)
	}
	config := filepath.Join(folder, "tincan.toml")
	text := fmt.Sprintf("data = %q\n[sip]\nudp = [%q]\ntcp = []\ntls = %s\n[rtp]\nports = \"%d-%d\"\nkernel = %q\n[http]\nlisten = %q\ntls = %s\n[iax2]\nudp = %s\n",
		filepath.Join(folder, "data"), address, list, first, first+portsPerCall*s.calls+sparePorts, map[bool]string{true: "auto", false: "off"}[s.kernel], web, browsers, other)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	// The objects go into the store before the start, so that the process that
	// is measured has never loaded them from a file.
	space := filepath.Join(folder, "space.toml")
	if err := os.WriteFile(space, []byte(s.space()), 0o600); err != nil {
		return nil, err
	}
	if output, err := exec.Command(l.binary, "apply", space, "--config", config).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("apply: %w\n%s", err, output)
	}
	r, err := await(address, func() (*proc.Process, error) {
		return proc.Start(folder, l.binary, "serve", "--config", config)
	})
	if err == nil {
		r.secure, r.config, r.http, r.wss = secure, config, web, wss
	}
	return r, err
}

// space is the setting as objects of ours.
func (s setting) space() string {
	if s.objects != "" {
		return s.objects
	}
	var b strings.Builder
	if s.callee != "" {
		fmt.Fprintf(&b, "[[trunk]]\nname = \"load\"\naddress = %q\nmatch = [\"127.0.0.1\"]\n", s.callee)
		if s.encryption != "" {
			fmt.Fprintf(&b, "encryption = %q\n", s.encryption)
		}
		to := "load"
		if s.codec != "" { // who calls takes any
			to = "other"
			fmt.Fprintf(&b, "[[trunk]]\nname = %q\naddress = %q\ncodecs = [%q]\n", to, s.callee, s.codec)
		}
		to = "trunk:" + to + "/9000"
		if s.room {
			to = "conference:bench"
		}
		fmt.Fprintf(&b, "[[route]]\nfrom = \"trunk:load\"\nnumber = \"9000\"\nto = %q\n", to)
	}
	for _, number := range s.extensions {
		fmt.Fprintf(&b, "[[extension]]\nnumber = %q\nname = \"Phone %s\"\nsecret = %q\n", number, number, secret)
	}
	return b.String()
}

func startB2B(l *lab, s setting) (*running, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	return await(address, func() (*proc.Process, error) {
		return proc.Start("", filepath.Join(l.folder, "b2b"), "-listen", address, "-to", s.callee)
	})
}

// startKamailio runs a registrar whose bindings live in memory alone.
func startKamailio(l *lab, _ setting) (*running, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(l.folder, "kamailio-")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(folder, "kamailio.cfg")
	if err := os.WriteFile(config, fmt.Appendf(nil, kamailioConfig, address, secret), 0o600); err != nil {
		return nil, err
	}
	return await(address, func() (*proc.Process, error) {
		// In the foreground (-DD), with its sockets in its own folder.
		return proc.Start(folder, "kamailio", "-f", config, "-DD", "-E", "-Y", folder)
	})
}

// kamailioConfig takes the address and the secret of every account.
const kamailioConfig = `#!KAMAILIO
debug=0
children=2
disable_tcp=yes
auto_aliases=no
listen=udp:%s
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
request_route {
	if (!pv_www_authenticate("$td", "%s", "0")) {
		www_challenge("$td", "1");
		exit;
	}
	save("location");
}
`

// await starts a server and asks it until it answers.
func await(address string, start func() (*proc.Process, error)) (*running, error) {
	began := time.Now()
	process, err := start()
	if err != nil {
		return nil, err
	}
	r := &running{Process: process, address: address, started: began}
	if err := r.awaitAnswer(); err != nil {
		process.Stop()
		return nil, err
	}
	r.ready = time.Since(began)
	return r, nil
}

// awaitAnswer sends REGISTERs until one is answered, with whatever status.
func (r *running) awaitAnswer() error {
	conn, err := net.Dial("udp4", r.address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	request := fmt.Appendf(nil, "REGISTER sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bKready;rport\r\n"+
		"Max-Forwards: 70\r\nFrom: <sip:101@%[1]s>;tag=ready\r\nTo: <sip:101@%[1]s>\r\nCall-ID: ready@%[2]s\r\n"+
		"CSeq: 1 REGISTER\r\nContact: <sip:101@%[2]s>\r\nContent-Length: 0\r\n\r\n", r.address, conn.LocalAddr())
	answer := make([]byte, 1500)
	for time.Since(r.started) < readyPatience {
		_, _ = conn.Write(request) // refused while nobody listens
		if err := conn.SetReadDeadline(time.Now().Add(readyPoll)); err != nil {
			return err
		}
		if _, err := conn.Read(answer); err == nil {
			return nil
		}
		select {
		case <-r.Done():
			return fmt.Errorf("it ended before it was ready; it said last:\n%s", r.Tail())
		case <-time.After(readyPoll):
		}
	}
	return fmt.Errorf("it did not answer in %v; it said last:\n%s", readyPatience, r.Tail())
}

// freeAddress is a UDP address of the loopback that was free a moment ago.
func freeAddress() (string, error) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().String(), nil
}
