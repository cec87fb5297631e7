package e2e

import (
	"bytes"
	"fmt"
	"testing"

	"tincan/e2e/peer"
)

// faxExchange has one modem call another and both send to each other: frames of
// HDLC at 300 bit/s, as fax machines agree by them, then a page at 9600 bit/s.
func faxExchange(t *testing.T, caller, called *peer.Modem, number string) {
	t.Helper()
	caller.Type(t, "ATDT"+number+"\r")
	called.Says(t, "RING")
	called.Type(t, "ATA\r")
	called.Says(t, "CONNECT") // it has the line first, by V.21
	carried(t, called, caller, hdlc("this is what I can do"))
	peer.Talks(t, caller, called, peer.V21)
	carried(t, caller, called, hdlc("then I shall do it so"))
	peer.Talks(t, caller, called, peer.V29)
	carried(t, caller, called, []byte(page()))
	caller.Command(t, "ATH")
	called.Command(t, "ATH")
}

// hdlc is a frame as T.30 5.3 has them: the address of all, control "the last".
func hdlc(text string) []byte { return []byte("\xff\x13" + text) }

// page is a kilobyte in which each line is another.
func page() string {
	var b bytes.Buffer
	for i := range 40 {
		fmt.Fprintf(&b, "line %02d of a page of sound\n", i)
	}
	return b.String()
}

// carried sends from one modem to the other and compares; modems add a checksum
// to a frame, and the carrier's begin and end to a page.
func carried(t *testing.T, from, to *peer.Modem, data []byte) {
	t.Helper()
	from.Sends(t, data)
	if got := to.Hears(t); !bytes.Contains(got, data) {
		t.Errorf("sent %q, came as %q", data, got)
	}
}

// TestHarnessModems: two modems by way of Asterisk, to know that it is the server
// where they do not meet by way of us.
func TestHarnessModems(t *testing.T) {
	t.Parallel()
	peers := ""
	for _, n := range []string{ada, bob} {
		peers += fmt.Sprintf("[%s]\ntype=friend\nsecret=%s\nhost=dynamic\ncontext=in\nrequirecalltoken=no\n", n, secretOf(n))
	}
	a := peer.StartAsterisk(t, peer.AsteriskSpec{
		IAX:      "disallow=all\nallow=ulaw\n" + peers,
		Dialplan: fmt.Sprintf("[in]\nexten => %s,1,Dial(IAX2/%[1]s)\n", bob),
	})
	caller := peer.StartModem(t, peer.ModemSpec{Server: a.Address(), User: ada, Secret: secretOf(ada), Codec: "ulaw"})
	called := peer.StartModem(t, peer.ModemSpec{Server: a.Address(), User: bob, Secret: secretOf(bob), Codec: "ulaw"})
	faxExchange(t, caller, called, bob)
}
