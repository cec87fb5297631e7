package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tincan/config"
)

// A certificate that is renewed is served without a restart; one that cannot be
// read leaves the old one in place.
func TestRenewedCertificate(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Defaults()
	cfg.Data = dir
	cfg.SIP.Certificate, cfg.SIP.Key = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	write := func(domain string, age time.Duration) {
		t.Helper()
		if err := makeCertificate(cfg.SIP.Certificate, cfg.SIP.Key, domain); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(cfg.SIP.Certificate, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("old.example", time.Hour)
	c, err := openCertificate(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	serves := func() string {
		t.Helper()
		c.looked = time.Time{} // as if a second had passed
		got, err := c.get(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		return got.Leaf.DNSNames[0]
	}
	if got := serves(); got != "old.example" {
		t.Fatal(got)
	}
	if err := os.WriteFile(cfg.SIP.Certificate, []byte("half a fi"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := serves(); got != "old.example" {
		t.Errorf("a broken file: %s", got)
	}
	write("new.example", 0)
	if got := serves(); got != "new.example" {
		t.Errorf("after the renewal: %s", got)
	}
	if err := os.Remove(cfg.SIP.Key); err != nil {
		t.Fatal(err)
	}
	if _, err := openCertificate(cfg, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a certificate without its key was opened")
	}
}
