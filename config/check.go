package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tincan/config/form"
)

const (
	// lowPort is the first port that needs no privilege.
	lowPort = 1024
	// maxListen bounds the addresses of one transport: more is a mistake.
	maxListen = 32
	// maxServers bounds the name servers that are asked in turn: a call waits.
	maxServers = 3
	// maxGate bounds rates of the gate: more than any machine takes.
	maxGate = 1_000_000
)

// checker finds what types alone do not.
type checker struct {
	doc    *form.Document
	config *Config
	faults form.Faults
}

func (k *checker) fault(key, what, fix string) {
	k.faults = append(k.faults, k.doc.Fault(key, what, fix))
}

func (k *checker) all() {
	c := k.config
	if c.Data == "" {
		k.fault("data", "is empty", `write data = "./data" instead`)
	}
	if d := c.Database; d != "" && !strings.HasPrefix(d, "postgres://") && !strings.HasPrefix(d, "postgresql://") {
		k.fault("database", "is not a PostgreSQL DSN", "write postgres://user:password@host:5432/name, or leave it out for SQLite")
	}
	k.ports()
	k.listen()
	k.servers()
	k.names()
	k.times()
	k.gate()
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "auto", "text", "json")
	k.oneOf("rtp.kernel", c.RTP.Kernel, "auto", KernelOff)
	k.oneOf("store.synchronous", c.Store.Synchronous, "normal", "full")
	k.oneOf("rtp.encryption", c.RTP.Encryption, "auto", "off", "wanted", "required")
	k.sound()
	k.ice()
}

// maxRelays bounds the relays that are asked for each call.
const maxRelays = 4

func (k *checker) ice() {
	c := &k.config.ICE
	k.oneOf("ice.mode", c.Mode, "full", "lite", "off")
	if len(c.Turn) > maxRelays {
		k.fault("ice.turn", fmt.Sprintf("has %d relays, more than %d", len(c.Turn), maxRelays), "remove some")
	}
	if c.Stun != "" && !stunForm.MatchString(c.Stun) {
		k.fault("ice.stun", fmt.Sprintf("%q is no server", c.Stun), `write "HOST:3478" instead`)
	}
	for i, text := range c.Turn {
		if !relayForm.MatchString(text) {
			k.fault(fmt.Sprintf("ice.turn[%d]", i), fmt.Sprintf("%q is no TURN server", text), `write "turn:HOST:3478" or "turns:HOST:443?transport=tcp" instead`)
		}
	}
	if len(c.Turn) > 0 && (c.User == "" || c.Password == "") {
		k.fault("ice.turn", "has no user and password beside it", `write user = "NAME" and password = "SECRET" too`)
	}
}

// relayForm is a TURN server (RFC 7065).
var relayForm = regexp.MustCompile(`^turns?:([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(\?transport=(udp|tcp))?$`)

// stunForm is host:port.
var stunForm = regexp.MustCompile(`^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}$`)

// words are a language and a country.
var (
	languageForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$`)
	countryForm  = regexp.MustCompile(`^[a-z]{2}$`)
)

func (k *checker) sound() {
	s := &k.config.Sound
	if !languageForm.MatchString(s.Language) {
		k.fault("sound.language", fmt.Sprintf("%q is not a language", s.Language), `write it as "en", "fr" or "pt-br" instead`)
	}
	if !countryForm.MatchString(s.Country) {
		k.fault("sound.country", fmt.Sprintf("%q is not a country", s.Country), `write two letters such as "de" instead`)
	}
	k.oneOf("sound.missing", s.Missing, "tone", "silence")
}

func (k *checker) oneOf(key, word string, known ...string) {
	if !slices.Contains(known, word) {
		k.fault(key, fmt.Sprintf("%q is not known", word), form.Suggest(word, known))
	}
}

// ports parses rtp.ports.
func (k *checker) ports() {
	const key, fix = "rtp.ports", `write first-last such as "10000-20000" instead`
	r := &k.config.RTP
	a, b, ok := strings.Cut(r.Ports, "-")
	first, errA := strconv.ParseUint(strings.TrimSpace(a), 10, 16)
	last, errB := strconv.ParseUint(strings.TrimSpace(b), 10, 16)
	switch {
	case !ok || errA != nil || errB != nil:
		k.fault(key, fmt.Sprintf("%q is not a range of ports", r.Ports), fix)
	case last <= first:
		k.fault(key, fmt.Sprintf("%d-%d is empty: the last port must be above the first", first, last), fix)
	case first < lowPort:
		k.fault(key, fmt.Sprintf("ports below %d are the system's", lowPort), fix)
	case first%2 != 0:
		k.fault(key, fmt.Sprintf("the first port, %d, is odd, but RTP uses an even port and RTCP the odd one above it", first),
			fmt.Sprintf("write \"%d-%d\" instead", first+1, max(last, first+2)))
	default:
		r.First, r.Last = uint16(first), uint16(last)
		return
	}
	r.First, r.Last = 0, 0
}

// servers completes sip.dns with the usual port.
func (k *checker) servers() {
	list := k.config.SIP.DNS
	if len(list) > maxServers {
		k.fault("sip.dns", fmt.Sprintf("has %d name servers, more than %d", len(list), maxServers), "remove some")
		return
	}
	for i, text := range list {
		if a, err := netip.ParseAddr(text); err == nil {
			list[i] = netip.AddrPortFrom(a, 53).String()
		} else if _, err := netip.ParseAddrPort(text); err != nil {
			k.fault(fmt.Sprintf("sip.dns[%d]", i), fmt.Sprintf("%q is not the address of a name server", text), `write an address such as "9.9.9.9" or "127.0.0.1:5353" instead`)
		}
	}
}

// socket is one address to listen on.
type socket struct {
	key     string
	network string // udp or tcp
	addr    netip.AddrPort
}

func (k *checker) listen() {
	s := &k.config.SIP
	var all []socket
	for _, t := range []struct {
		key, network string
		list         []string
	}{{"sip.udp", "udp", s.UDP}, {"sip.tcp", "tcp", s.TCP}, {"sip.tls", "tcp", s.TLS}, {"http.tls", "tcp", k.config.HTTP.TLS}, {"iax2.udp", "udp", k.config.IAX2.UDP}} {
		if len(t.list) > maxListen {
			k.fault(t.key, fmt.Sprintf("has %d addresses, more than %d", len(t.list), maxListen), "remove some")
			continue
		}
		for i, text := range t.list {
			all = k.socket(all, fmt.Sprintf("%s[%d]", t.key, i), t.network, text)
		}
	}
	if len(s.UDP)+len(s.TCP)+len(s.TLS) == 0 {
		k.fault("sip.udp", "there is no address for phones", `write udp = ["0.0.0.0:5060"] instead`)
	}
	for _, one := range []struct{ key, network, text string }{
		{"http.listen", "tcp", k.config.HTTP.Listen}, {"ice.udp", "udp", k.config.ICE.UDP}, {"ice.tcp", "tcp", k.config.ICE.TCP},
	} {
		shared := one.key == "ice.tcp" && slices.Contains(k.config.HTTP.TLS, one.text) // the two are told apart
		if one.text != "" && !shared {
			all = k.socket(all, one.key, one.network, one.text)
		}
	}
	k.clashes(all)
}

func (k *checker) socket(all []socket, key, network, text string) []socket {
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		k.fault(key, fmt.Sprintf("%q is not an address ip:port", text), "write "+better(text, usualPort(key))+" instead")
		return all
	}
	return append(all, socket{key, network, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())})
}

// usualPort is the port that a setting mostly has.
func usualPort(key string) uint16 {
	if strings.HasPrefix(key, "iax2.") {
		return 4569
	}
	return 5060
}

// better is what was likely meant by an address that does not parse.
func better(text string, usual uint16) string {
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return strconv.Quote(netip.AddrPortFrom(ip, usual).String())
	}
	host, port, _ := strings.Cut(text, ":")
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		port = strconv.Itoa(int(usual))
	}
	if host == "localhost" {
		return strconv.Quote("127.0.0.1:" + port)
	}
	return strconv.Quote("0.0.0.0:"+port) + " (all addresses) or one address of this machine"
}

func (k *checker) clashes(all []socket) {
	r := k.config.RTP
	for i, s := range all {
		port := s.addr.Port()
		if s.network == "udp" && r.Last > 0 && port >= r.First && port <= r.Last {
			k.fault(s.key, fmt.Sprintf("port %d lies within rtp.ports %s", port, r.Ports), "choose another port or another range")
		}
		for _, o := range all[:i] {
			if port != 0 && s.network == o.network && port == o.addr.Port() && overlap(s.addr.Addr(), o.addr.Addr()) {
				k.fault(s.key, fmt.Sprintf("%s is taken by %s already", s.addr, o.key), "choose another port")
			}
		}
	}
}

// overlap tells whether one socket on a would take b's packets.
func overlap(a, b netip.Addr) bool {
	return a == b || a.Is4() == b.Is4() && (a.IsUnspecified() || b.IsUnspecified())
}

func (k *checker) names() {
	s := &k.config.SIP
	if s.Domain != "" && !isName(s.Domain) {
		k.fault("sip.domain", fmt.Sprintf("%q is not a name", s.Domain), `write a name such as "phones.example" instead`)
	}
	for i, name := range s.Aliases {
		if !isName(name) {
			k.fault(fmt.Sprintf("sip.aliases[%d]", i), fmt.Sprintf("%q is not a name", name), `write a name such as "phones.example" instead`)
		}
	}
	if s.PublicCalls < 0 || s.PublicCalls > maxGate {
		k.fault("sip.public_calls", fmt.Sprintf("%d is not from 0 to %d", s.PublicCalls, maxGate), "write 10 instead, or 0 for none")
	}
	if s.External != "" && !isName(s.External) {
		k.fault("sip.external", fmt.Sprintf("%q is neither an address nor a name", s.External), `write an address such as "203.0.113.5" without a port, or leave it empty`)
	}
	switch {
	case s.Certificate != "" && s.Key == "":
		k.fault("sip.certificate", "has no key beside it", `write key = "FILE.pem" too`)
	case s.Key != "" && s.Certificate == "":
		k.fault("sip.key", "has no certificate beside it", `write certificate = "FILE.pem" too`)
	}
}

// isName tells whether s is an IP address or a host name (RFC 1123 2.1).
func isName(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		odd := func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
		}
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, odd) || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

func (k *checker) gate() {
	g := &k.config.Gate
	for _, n := range []struct {
		key    string
		has    int
		normal int
	}{{"gate.rate", g.Rate, 50}, {"gate.burst", g.Burst, 2000}, {"gate.total", g.Total, 5000}} {
		if n.has < 1 || n.has > maxGate {
			k.fault(n.key, fmt.Sprintf("%d is not from 1 to %d", n.has, maxGate), fmt.Sprintf("write %d instead; enabled = false lets everything in", n.normal))
		}
	}
}

func (k *checker) times() {
	s := &k.config.SIP
	if s.RingTimeout < time.Second {
		k.fault("sip.ring_timeout", "is below one second", `write ring_timeout = "60s" instead`)
	}
	if s.RegisterMin < time.Second {
		k.fault("sip.register_min", "is below one second", `write register_min = "60s" instead`)
	}
	if s.RegisterMax < s.RegisterMin {
		k.fault("sip.register_max", fmt.Sprintf("%v is below register_min, %v", s.RegisterMax, s.RegisterMin), `write register_max = "1h" instead`)
	}
	if s.SessionExpires != 0 && s.SessionExpires < 90*time.Second {
		k.fault("sip.session_expires", "is below 90 seconds, the least that RFC 4028 allows", `write session_expires = "30m" instead, or "0s" for none`)
	}
}
