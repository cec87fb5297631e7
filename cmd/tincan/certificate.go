package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"tincan/config"
)

// certificate serves a TLS certificate from files, and takes a renewed one up
// without a restart: the files are looked at again, at most every statEvery,
// when somebody connects.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex // guards what follows
	current *tls.Certificate
	changed time.Time // modification time of what is served
	looked  time.Time
}

const statEvery = time.Second

// The self-signed certificate: RSA, since old phones know nothing else.
const (
	ownCertFile = "tls-cert.pem"
	ownKeyFile  = "tls-key.pem"
	rsaBits     = 2048
	ownLasts    = 10 * 365 * 24 * time.Hour
)

// openCertificate loads the files given, or the server's own, made at first
// start.
func openCertificate(cfg *config.Config, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: cfg.SIP.Certificate, keyFile: cfg.SIP.Key, log: log}
	if c.certFile == "" {
		c.certFile, c.keyFile = filepath.Join(cfg.Data, ownCertFile), filepath.Join(cfg.Data, ownKeyFile)
		if _, err := os.Stat(c.certFile); os.IsNotExist(err) {
			if err := makeCertificate(c.certFile, c.keyFile, cfg.SIP.Domain); err != nil {
				return nil, fmt.Errorf("make a TLS certificate: %w", err)
			}
			log.Info("self-signed TLS certificate made; give [sip] certificate and key for one that phones can verify", "file", c.certFile)
		}
	}
	return c, c.load()
}

// tls is how we shake hands: with our certificate where we are called, by the
// system's authorities and those of file (may be empty) where we call.
func (c *certificate) tls(file string) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	if file == "" {
		return t, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("[sip] authorities: %w", err)
	}
	if t.RootCAs, err = x509.SystemCertPool(); err != nil {
		t.RootCAs = x509.NewCertPool() // a machine without any
	}
	if !t.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("[sip] authorities: %s has no certificate; give a PEM file", file)
	}
	return t, nil
}

// web is how we shake hands with browsers.
func (c *certificate) web() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"http/1.1"}}
}

func (c *certificate) load() error {
	info, err := os.Stat(c.certFile)
	if err != nil {
		return fmt.Errorf("TLS certificate: %w; see [sip] certificate", err)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("TLS certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.current, c.changed = &pair, info.ModTime()
	return nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.looked) < statEvery {
		return c.current, nil
	}
	c.looked = now
	info, err := os.Stat(c.certFile)
	if err != nil || info.ModTime().Equal(c.changed) {
		return c.current, nil
	}
	if err := c.load(); err != nil { // the key may not be there yet
		c.log.Warn("the renewed certificate is not taken yet; the old one is served", "error", err)
		return c.current, nil
	}
	c.log.Info("renewed certificate taken", "file", c.certFile)
	return c.current, nil
}

func makeCertificate(certFile, keyFile, domain string) error {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Tincan"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(ownLasts),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if domain != "" {
		t.Subject.CommonName, t.DNSNames = domain, []string{domain}
	}
	for _, a := range interfaceAddrs() {
		t.IPAddresses = append(t.IPAddresses, net.IP(a.AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(keyFile, "PRIVATE KEY", keyDER, 0o600); err != nil {
		return err
	}
	return writePEM(certFile, "CERTIFICATE", der, 0o644)
}

func writePEM(file, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
