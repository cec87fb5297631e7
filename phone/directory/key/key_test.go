package key

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Keys made with openssl: 1024 bits in both forms.
const (
	pkixKey = `-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC4w3ax19XSJNRKZgqcRLu0WmMV
n/UZ6thWzJ2Vxn/dtpHJCjG3v6GBQgywFiJH34hvueFFEcKHaM8b68aqUrDHBD/W
ZIusvWYftWTOdEOYEnof5SsmNG7WNqhtOiSbdF6g91OpaSwP1j2JJZQflYY4QZR3
VZcTmr96deQFgvN8BQIDAQAB
-----END PUBLIC KEY-----
`
	pkcs1Key = `-----BEGIN RSA PUBLIC KEY-----
MIGJAoGBALjDdrHX1dIk1EpmCpxEu7RaYxWf9Rnq2FbMnZXGf922kckKMbe/oYFC
DLAWIkffiG+54UURwodozxvrxqpSsMcEP9Zki6y9Zh+1ZM50Q5gSeh/lKyY0btY2
qG06JJt0XqD3U6lpLA/WPYkllB+VhjhBlHdVlxOav3p15AWC83wFAgMBAAE=
-----END RSA PUBLIC KEY-----
`
	bigKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAmEEI0GZWXdHujlqmwTa1
sj84RKwaDkNsthcskaTHxtIKQx5w7365lr/70IYCOR2FKxvjJhTTrqE4xyUyZ8EU
2xKbWqLeueFkClu4BX/BTNJWH5KzKdScNLdyX0iYu+Y7x2dT7SoHLLYDpDW4yD+D
icttlhHhtHP0xO5LkeYPEcFnZIPFjoKcyANSzoJm/1DTf4oUM6AJhoJwas5KqsVL
MxC6JTWLyClcY/Mn6/5MJIdUhaic96COYfnV7EaljT1oOUAOYGEapxVDz1/A6jww
smniERLtp7RfEhPZYOFH95LZ8gLubM2fXLb8hsOEhpU4rURNmxUg18SaeEyGJJ0T
awIDAQAB
-----END PUBLIC KEY-----
`
)

func TestParse(t *testing.T) {
	one, err := Parse([]byte(pkixKey))
	if err != nil {
		t.Fatal(err)
	}
	two, err := Parse([]byte(pkcs1Key))
	if err != nil || !one.Equal(two) {
		t.Errorf("the same key in the other form: %v", err)
	}
	for text, says := range map[string]string{
		"hello": "BEGIN PUBLIC KEY",
		bigKey:  "2048 bits",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n": "public half",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n":   "damaged",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want %q in it", text, err, says)
		}
	}
}

func TestOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), FileName)
	made, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(file)
	if err != nil || !again.Equal(made) {
		t.Errorf("another key the second time: %v", err)
	}
	text, err := Format(&made.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if public, err := Parse(text); err != nil || !public.Equal(&made.PublicKey) {
		t.Errorf("the public half does not come back: %v", err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others may read: %v", err)
	}
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a damaged file: %v", err)
	}
}
