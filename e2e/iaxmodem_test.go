package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// The tests with modems run alone (none is parallel): their sound is a modem's, and
// a machine that is late with it loses bits as a bad line does.

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

// oldIAX2 lets modems in, which know no tokens.
const oldIAX2 = `calltoken_optional = ["127.0.0.0/8"]`

// speakIAX2 is a space.toml with these extensions, whose devices may register by
// IAX2.
func speakIAX2(numbers ...string) string {
	return strings.ReplaceAll(people(numbers...), "secret = ", "iax2 = true\nsecret = ")
}

// modem starts a modem that registers at the server.
func modem(t *testing.T, s *server, number, codec string) *peer.Modem {
	t.Helper()
	return peer.StartModem(t, peer.ModemSpec{Server: s.addressIAX2(), User: number, Secret: secretOf(number), Codec: codec})
}

// TestModemsTalkByIAX2: a client that others wrote, without tokens, registers and
// calls; the sound of modems is carried faultlessly, also where its coding changes
// on the way.
func TestModemsTalkByIAX2(t *testing.T) {
	for _, c := range []struct{ caller, called string }{{"ulaw", "ulaw"}, {"slinear", "alaw"}} {
		t.Run(c.caller+" to "+c.called, func(t *testing.T) {
			s := startServerAt(t, place{ip: "127.0.0.1", iax2: oldIAX2}, speakIAX2(ada, bob))
			faxExchange(t, modem(t, s, ada, c.caller), modem(t, s, bob, c.called), bob)
			s.awaitNoCalls(t)
		})
	}
}

// TestModemsAcrossATrunk: not a bit is lost between two servers, where the sound is
// encrypted and shares its packets.
func TestModemsAcrossATrunk(t *testing.T) {
	const iax2 = "protocol = \"iax2\"\nencryption = \"required\"\ntrunking = true\n"
	where := place{ip: "127.0.0.1", iax2: oldIAX2}
	far := startServerAt(t, where, speakIAX2(bob)+sister(bob, iax2+registersHere))
	near := startServerAt(t, where, speakIAX2(ada)+sister(ada, iax2+registersAt(far.addressIAX2(), "")))
	near.awaitTrunk(t, "sister", "registered")
	faxExchange(t, modem(t, near, ada, "ulaw"), modem(t, far, bob, "ulaw"), "9"+bob)
	near.awaitNoCalls(t)
	far.awaitNoCalls(t)
}

// TestModemsWithoutTokenAreRefused: unless their network is one of those that may
// lack it; the log says why.
func TestModemsWithoutTokenAreRefused(t *testing.T) {
	s := startServer(t, speakIAX2(ada))
	peer.StartModemUnregistered(t, peer.ModemSpec{Server: s.addressIAX2(), User: ada, Secret: secretOf(ada), Codec: "ulaw"})
	s.Await(t, "calltoken_optional")
	if got := s.registrations(t); len(got) != 0 {
		t.Errorf("registered: %+v", got)
	}
}

// TestTwoProtocolsAtOneServer: what speaks SIP and what speaks IAX2 call each
// other; the modem is known by its tones.
func TestTwoProtocolsAtOneServer(t *testing.T) {
	s := startServerAt(t, place{ip: "127.0.0.1", iax2: oldIAX2}, people(ada)+speakIAX2(bob))
	a, m := baresip(t, s, ada), modem(t, s, bob, "ulaw")
	a.Dial(t, bob)
	m.Says(t, "RING")
	m.Type(t, "ATA\r")
	a.AwaitEstablished(t)
	a.Ear().Hears(t, answerTone)
	a.Hangup(t)
	s.awaitNoCalls(t)
	m.Type(t, "ATDT"+ada+"\r")
	a.AwaitIncoming(t)
	a.Answer(t)
	a.AwaitEstablished(t)
	a.Ear().Hears(t, callingTone)
	a.Hangup(t)
	m.Says(t, "NO CARRIER")
	s.awaitNoCalls(t)
}

// The tones of fax machines (ITU-T T.30 4).
const (
	callingTone = 1100.0
	answerTone  = 2100.0
)

// TestHarnessModems: two modems by way of Asterisk, to know that it is the server
// where they do not meet by way of us.
func TestHarnessModems(t *testing.T) {
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
