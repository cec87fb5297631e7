package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tincan/secret"
	"tincan/store"
)

// doctor gives the verdicts by what they are about, and the error that ends it.
func (p *place) doctor() (map[string][]verdict, error) {
	p.t.Helper()
	out, err := p.try("", "doctor", "--json")
	var list []verdict
	if e := json.Unmarshal([]byte(out), &list); e != nil {
		p.t.Fatalf("%v\n%s", e, out)
	}
	by := map[string][]verdict{}
	for _, v := range list {
		by[v.Check] = append(by[v.Check], v)
	}
	return by, err
}

// finds wants one verdict of the doctor about check, with words in it.
func (p *place) finds(check, word string, says ...string) {
	p.t.Helper()
	by, err := p.doctor()
	if (word == failed) != (err != nil) {
		p.t.Errorf("the doctor ends with %v", err)
	}
	var code exitCode
	if err != nil && (!errors.As(err, &code) || code != 1) {
		p.t.Errorf("the doctor fails with %v", err)
	}
	for _, v := range by[check] {
		text := v.What + " -> " + v.Do
		all := v.Verdict == word
		for _, s := range says {
			all = all && strings.Contains(text, s)
		}
		if all {
			return
		}
	}
	p.t.Errorf("no verdict %q on %q with %q in %+v", word, check, says, by[check])
}

func TestDoctorOfAHealthyServer(t *testing.T) {
	p := served(t)
	p.apply(house)
	by, err := p.doctor()
	if err != nil {
		t.Errorf("%v: %+v", err, by)
	}
	for check, words := range map[string]string{
		"configuration": "tincan.toml reads", "server": "runs as process", "data folder": "can be written", "key": "reads (key ",
		"store": "reads and writes", "ports": "held by the running server: udp 127.0.0.1:0, tcp", "media ports": "enough for 25 calls",
		"outside": "told 127.0.0.1", "clock": "says ", "files": "enough for", "certificate": "days left; self-signed", "inside": "", "codecs": "made here: ",
	} {
		if len(by[check]) != 1 || !strings.Contains(by[check][0].What, words) {
			t.Errorf("%s: %+v", check, by[check])
		}
	}
	if got := p.run("doctor"); !strings.HasPrefix(got, "ok    configuration  ") {
		t.Error(got)
	}
}

func TestDoctorBeforeTheFirstStart(t *testing.T) {
	p := someFolder(t)
	for check, words := range map[string]string{
		"server": "none runs on the data folder " + p.config().Data, "data folder": "the first start makes it", "key": "not made yet",
		"store": "not made yet", "certificate": "not made yet", "ports": "free: udp 127.0.0.1:0",
	} {
		p.finds(check, fine, words)
	}
}

func TestDoctorReadsTheConfiguration(t *testing.T) {
	p := someFolder(t)
	file := p.write("tincan.toml", "nonsense = 1\n[sip]\nudp = [\"here\"]\n")
	p.finds("configuration", failed, file+`:1:1: key "nonsense"`, file+`:3:8: key "sip.udp[0]"`)
	out, _ := p.try("", "doctor")
	if strings.Count(out, "\n") < 3 || strings.Contains(out, "ok ") {
		t.Errorf("the rest cannot be judged:\n%s", out)
	}
}

func TestDoctorLooksAtKeyAndStore(t *testing.T) {
	p := someFolder(t)
	p.apply(house)
	data := p.config().Data
	key, db := filepath.Join(data, secret.FileName), filepath.Join(data, store.FileName)
	p.finds("store", fine, "opens, is whole")

	must(t, os.Chmod(key, 0o644))
	p.finds("key", failed, "may be read by others", "chmod 600")
	must(t, os.Chmod(key, 0o600))

	must(t, os.Rename(key, key+".old"))
	p.finds("key", failed, "is gone", "restore it from a backup")
	must(t, os.WriteFile(key, []byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"), 0o600))
	p.finds("store", failed, "the secrets of extensions 101, 102 do not open")
	must(t, os.Rename(key+".old", key))

	lock, err := lockData(data)
	must(t, err)
	p.finds("store", warned, "in use by another tincan", fmt.Sprint(os.Getpid()))
	must(t, lock.Close())

	must(t, os.Chtimes(db, time.Time{}, time.Now().Add(time.Hour)))
	p.finds("clock", failed, store.FileName+" was written later", "timedatectl")
}

// TestDoctorOfADamagedStore runs as a process of its own, and so shows the code that
// it ends with.
func TestDoctorOfADamagedStore(t *testing.T) {
	p := someFolder(t)
	p.apply(house)
	must(t, os.WriteFile(filepath.Join(p.config().Data, store.FileName), []byte("this is no database, whatever its name may say"), 0o600))
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), self, "doctor", "--config", p.file("tincan.toml"))
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != 1 || !regexp.MustCompile(`(?m)^fail  store .*not a database`).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// taken is a TCP port that this test has.
func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestTakenPort(t *testing.T) {
	addr := taken(t)
	_, port, _ := net.SplitHostPort(addr)
	p := someFolder(t)
	text, err := os.ReadFile(p.file("tincan.toml"))
	must(t, err)
	p.write("tincan.toml", strings.Replace(string(text), `tcp = ["127.0.0.1:0"]`, fmt.Sprintf("tcp = [%q]", addr), 1))
	comm, err := os.ReadFile("/proc/self/comm")
	must(t, err)
	says := []string{
		"port " + port + "/tcp is taken by " + strings.TrimSpace(string(comm)) + fmt.Sprintf(" (process %d)", os.Getpid()),
		"stop it, or give [sip] tcp another port: [sip] tcp = ",
	}
	p.finds("ports", failed, says...)
	p.finds("ports", failed, "stop it")
	got := p.refused("serve")
	for _, want := range says {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in: %s", want, got)
		}
	}
	if _, err := os.Stat(filepath.Join(p.config().Data, controlFile)); !os.IsNotExist(err) {
		t.Errorf("a control socket is left: %v", err)
	}
}

func TestTakenIAX2Port(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = c.Close() }()
	p := someFolder(t)
	text, err := os.ReadFile(p.file("tincan.toml"))
	must(t, err)
	p.write("tincan.toml", strings.Replace(string(text), "[iax2]\nudp = [\"127.0.0.1:0\"]", fmt.Sprintf("[iax2]\nudp = [%q]", c.LocalAddr()), 1))
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	says := []string{"port " + port + "/udp is taken by ", "give [iax2] udp another port: [iax2] udp = ["}
	p.finds("ports", failed, says...)
	got := p.refused("serve")
	for _, want := range says {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in: %s", want, got)
		}
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	p := served(t)
	want := fmt.Sprintf("the data folder %s is in use by another tincan (process %d); stop it, or set data = \"...\" to another folder", p.config().Data, os.Getpid())
	if got := p.refused("serve"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// someCertificate writes a certificate for a name, with its key.
func (p *place) someCertificate(name string, from, until time.Time) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(p.t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(p.t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(p.t, err)
	must(p.t, writePEM(p.file("key.pem"), "PRIVATE KEY", keyDER, 0o600))
	must(p.t, writePEM(p.file("cert.pem"), "CERTIFICATE", der, 0o644))
}

func TestDoctorLooksAtTheCertificate(t *testing.T) {
	p := someFolder(t)
	text, err := os.ReadFile(p.file("tincan.toml"))
	must(t, err)
	p.write("tincan.toml", string(text)+"domain = \"phones.example\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n")
	const day = 24 * time.Hour
	now := time.Now()
	p.finds("certificate", failed, "no such file", "renew it")
	for _, c := range []struct {
		name        string
		from, until time.Duration
		verdict     string
		says        string
	}{
		{"phones.example", -day, 60*day + time.Hour, fine, "for phones.example, 60 days left"},
		{"phones.example", -day, 5*day + time.Hour, warned, "5 days left -> renew it"},
		{"phones.example", -9 * day, -day, failed, "ended on "},
		{"phones.example", day, 9 * day, failed, "set the clock"},
		{"other.example", -day, 60 * day, warned, `"phones.example" is not among its names`},
	} {
		p.someCertificate(c.name, now.Add(c.from), now.Add(c.until))
		p.finds("certificate", c.verdict, c.says)
	}
	must(t, os.Chmod(p.file("key.pem"), 0o644))
	p.finds("certificate", warned, "can be read by every user", "chmod o= ")
}

func TestDoctorLooksAtAddresses(t *testing.T) {
	p := someFolder(t)
	text, err := os.ReadFile(p.file("tincan.toml"))
	must(t, err)
	for external, c := range map[string][2]string{
		"127.0.0.1":       {fine, "phones outside are told 127.0.0.1, as [sip] external says"},
		"198.51.100.1":    {fine, "behind NAT -> if phones are outside, let the router forward udp 0 and udp "},
		"10.99.99.99":     {warned, "cannot be reached from the internet"},
		"nowhere.invalid": {failed, `[sip] external = "nowhere.invalid" is not found`},
	} {
		p.write("tincan.toml", strings.Replace(string(text), `external = "127.0.0.1"`, fmt.Sprintf("external = %q", external), 1))
		p.finds("outside", c[0], c[1])
	}
	p.write("tincan.toml", string(text))
	p.finds("inside", warned, "only programs on this machine", `set [sip] udp = ["0.0.0.0:5060"]`)
}
