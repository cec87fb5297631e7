package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var prefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

const full = `# tincan.toml
data = "./data"                      # SQLite and everything else live here
# database = "postgres://..."        # instead of SQLite
[sip]
udp = ["0.0.0.0:5060"]
tcp = ["0.0.0.0:5060"]
tls = ["0.0.0.0:5061"]
domain = "phones.example"            # optional
external = ""                        # public address; found by STUN or interface when empty
local = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]  # who is told the inside address
[rtp]
ports = "10000-20000"
[http]
listen = "127.0.0.1:8080"            # /healthz, /metrics; API and panel come later
`

func TestDocumentedForm(t *testing.T) {
	got, err := Parse("/etc/tincan/tincan.toml", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.File = "/etc/tincan/tincan.toml"
	want.Data = "/etc/tincan/data"
	want.SIP.Domain = "phones.example"
	want.SIP.Local = want.SIP.Local[:3]
	if d := cmp.Diff(want, got, prefixes); d != "" {
		t.Error(d)
	}
}

func TestEverySettingIsReached(t *testing.T) {
	got, err := Parse("tincan.toml", []byte(`
data = "/d"
database = "postgres://u@h/d"
shutdown = "1m"
[sip]
udp = ["[::]:5062", "127.0.0.1:5060"]
tcp = []
tls = []
domain = "d"
aliases = ["e"]
public_calls = 3
external = "203.0.113.5"
local = []
certificate = "c.pem"
key = "/k.pem"
ring_timeout = "20s"
register_min = "10s"
register_max = "20s"
ping = "0s"
session_expires = "90s"
[iax2]
udp = ["[::]:4570"]
calltoken_optional = ["192.168.0.0/16"]
[gate]
enabled = false
rate = 1
burst = 2
total = 3
exempt = ["192.0.2.0/24"]
[rtp]
ports = "30000-30003"
timeout = "5s"
encryption = "wanted"
kernel = "off"
[ice]
mode = "lite"
udp = "127.0.0.1:3479"
tcp = "127.0.0.1:3480"
turn = ["turns:relay.example:443?transport=tcp"]
user = "u"
password = "p"
[sound]
language = "fr"
country = "ch"
prompts = "/p"
music = "https://radio.example/stream"
recordings = "/r"
missing = "silence"
[http]
listen = ""
tls = ["127.0.0.1:443"]
[log]
level = "debug"
format = "json"
[store]
synchronous = "full"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Data: "/d", Database: "postgres://u@h/d", Shutdown: time.Minute, File: "tincan.toml",
		SIP: SIP{
			UDP: []string{"[::]:5062", "127.0.0.1:5060"}, TCP: []string{}, TLS: []string{},
			Domain: "d", Aliases: []string{"e"}, PublicCalls: 3, External: "203.0.113.5", Local: []netip.Prefix{},
			Certificate: "c.pem", Key: "/k.pem", RingTimeout: 20 * time.Second,
			RegisterMin: 10 * time.Second, RegisterMax: 20 * time.Second, SessionExpires: 90 * time.Second,
		},
		IAX2: IAX2{UDP: []string{"[::]:4570"}, CalltokenOptional: []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")}},
		Gate: Gate{Rate: 1, Burst: 2, Total: 3, Exempt: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		RTP:  RTP{Ports: "30000-30003", First: 30000, Last: 30003, Timeout: 5 * time.Second, Encryption: "wanted", Kernel: "off"},
		ICE: ICE{
			Mode: "lite", UDP: "127.0.0.1:3479", TCP: "127.0.0.1:3480",
			Turn: []string{"turns:relay.example:443?transport=tcp"}, User: "u", Password: "p",
		},
		Sound: Sound{
			Language: "fr", Country: "ch", Prompts: "/p", Music: "https://radio.example/stream", Recordings: "/r", Missing: "silence",
		},
		HTTP:  HTTP{TLS: []string{"127.0.0.1:443"}},
		Log:   Log{Level: "debug", Format: "json"},
		Store: Store{Synchronous: "full"},
	}
	if d := cmp.Diff(want, got, prefixes); d != "" {
		t.Error(d)
	}
}

func TestFaults(t *testing.T) {
	_, err := Parse("tincan.toml", []byte(`dat = "./data"
database = "mysql://x"
[sip]
udp = ["0.0.0.0:10000", ":5060", "localhost:5070", "::1"]
tcp = ["0.0.0.0:5060"]
tls = ["127.0.0.1:5060"]
domain = "a b"
external = "1.2.3.4:5060"
certificate = "c.pem"
register_max = "1s"
[rtp]
ports = "10000-20000"
[iax2]
udp = ["0.0.0.0:11000", "4569"]
[http]
listen = "0.0.0.0:5060"
[sound]
language = "English"
country = "uk2"
missing = "moo"
[log]
level = "warning"
`))
	if err == nil {
		t.Fatal("no error")
	}
	want := `tincan.toml:1:1: key "dat": is not known; write "data" instead
tincan.toml:2:1: key "database": is not a PostgreSQL DSN; write postgres://user:password@host:5432/name, or leave it out for SQLite
tincan.toml:4:8: key "sip.udp[0]": port 10000 lies within rtp.ports 10000-20000; choose another port or another range
tincan.toml:4:25: key "sip.udp[1]": ":5060" is not an address ip:port; write "0.0.0.0:5060" (all addresses) or one address of this machine instead
tincan.toml:4:34: key "sip.udp[2]": "localhost:5070" is not an address ip:port; write "127.0.0.1:5070" instead
tincan.toml:4:52: key "sip.udp[3]": "::1" is not an address ip:port; write "[::1]:5060" instead
tincan.toml:6:8: key "sip.tls[0]": 127.0.0.1:5060 is taken by sip.tcp[0] already; choose another port
tincan.toml:7:1: key "sip.domain": "a b" is not a name; write a name such as "phones.example" instead
tincan.toml:8:1: key "sip.external": "1.2.3.4:5060" is neither an address nor a name; write an address such as "203.0.113.5" without a port, or leave it empty
tincan.toml:9:1: key "sip.certificate": has no key beside it; write key = "FILE.pem" too
tincan.toml:10:1: key "sip.register_max": 1s is below register_min, 1m0s; write register_max = "1h" instead
tincan.toml:14:8: key "iax2.udp[0]": port 11000 lies within rtp.ports 10000-20000; choose another port or another range
tincan.toml:14:25: key "iax2.udp[1]": "4569" is not an address ip:port; write "0.0.0.0:4569" (all addresses) or one address of this machine instead
tincan.toml:16:1: key "http.listen": 0.0.0.0:5060 is taken by sip.tcp[0] already; choose another port
tincan.toml:16:1: key "http.listen": 0.0.0.0:5060 is taken by sip.tls[0] already; choose another port
tincan.toml:18:1: key "sound.language": "English" is not a language; write it as "en", "fr" or "pt-br" instead
tincan.toml:19:1: key "sound.country": "uk2" is not a country; write two letters such as "de" instead
tincan.toml:20:1: key "sound.missing": "moo" is not known; write one of tone, silence instead, or remove it
tincan.toml:22:1: key "log.level": "warning" is not known; write one of debug, info, warn, error instead, or remove it`
	if d := cmp.Diff(want, err.Error()); d != "" {
		t.Error(d)
	}
}

func TestPorts(t *testing.T) {
	for ports, say := range map[string]string{
		"10001-20000": `write "10002-20000" instead`,
		"20000-10000": "is empty",
		"10000":       "not a range",
		"10-20":       "the system's",
		"1-99999":     "not a range",
		"a-b":         "not a range",
	} {
		_, err := Parse("tincan.toml", []byte("[rtp]\nports = \""+ports+"\"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "tincan.toml:2:1: key \"rtp.ports\"") || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want %s", ports, err, say)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Defaults(), c, prefixes); d != "" {
		t.Error(d)
	}
	if _, err := Load("nowhere.toml"); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("a missing file that was named: %v", err)
	}
	if err := os.WriteFile(DefaultFile, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(""); err != nil || c.SIP.Domain != "phones.example" || c.Data != "data" {
		t.Errorf("%+v, %v", c, err)
	}
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(big); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("a file of a megabyte: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add("[sip]\nudp = [\"[::]:1\"]\n[rtp]\nports = \"2000-2001\"")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("x", []byte(text))
		if err != nil {
			return
		}
		if c.RTP.First%2 != 0 || c.RTP.Last <= c.RTP.First {
			t.Errorf("ports %d-%d passed", c.RTP.First, c.RTP.Last)
		}
		for _, a := range append(c.SIP.UDP, c.SIP.TCP...) {
			if _, err := netip.ParseAddrPort(a); err != nil {
				t.Errorf("address %q passed", a)
			}
		}
	})
}
