package sip_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transport/memory"
)

// The connection of a phone ends under an INVITE that it has not answered: the caller
// is told at once, not when the transaction is given up.
func TestConnectionEndsUnderAnInvite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memory.New(9, memory.Weather{})
		s := siptest.Start(t, network, siptest.Options{Extensions: []directory.ExtensionForm{{Number: "101", Secret: "pw101"}, {Number: "102", Secret: "pw102"}}})
		defer s.Close()
		a, b := s.Phone("101", "pw101", "192.0.2.7"), s.Phone("102", "pw102", "192.0.2.8")
		defer a.Close()
		defer b.Close()
		conn, err := b.Host.Dial(t.Context(), s.At())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		time.Sleep(time.Second) // connections of before the start are none
		const uri = "sip:102@tincan"
		over := func(seq int, extra ...string) wire.Message {
			return exchange(t, conn, b.Request("REGISTER", uri, siptest.Dialog{CallID: "r", From: "r", Seq: seq}, "", extra...))
		}
		if res := over(2, b.Credentials(over(1), "REGISTER", uri, 1)); !siptest.Begins(res, "200") {
			t.Fatal(res)
		}
		d := a.Invite("102", a.Offer())
		if in := exchange(t, conn, ""); !siptest.Begins(in, "INVITE") {
			t.Fatal(in)
		}
		ended := time.Now()
		_ = conn.Close()
		res := a.Expect("480")
		if took := time.Since(ended); took > time.Second {
			t.Errorf("told after %v", took)
		}
		d.To = siptest.Tag(res)
		a.Send("ACK", "sip:102@tincan", d, "")
	})
}

// exchange writes a message to a connection, if there is one, and reads the next that
// comes.
func exchange(t *testing.T, conn net.Conn, text string) wire.Message {
	t.Helper()
	if text != "" {
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 8192)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.ParseMessage(b[:n])
	if err != nil {
		t.Fatalf("%v in %q", err, b[:n])
	}
	return m
}
