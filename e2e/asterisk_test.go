package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// asteriskPeer is a section of iax.conf; it knows Tincan as tincan.
func asteriskPeer(more string) string {
	return "disallow=all\nallow=g722\nallow=alaw\nallow=ulaw\n[tincan]\ntype=friend\nusername=tincan\ncontext=in\n" + more
}

// asteriskNumbers gives back at bob's number what it hears, has a tone at 1004, and
// at 5 says who calls and exchanges keys.
const asteriskNumbers = "[in]\nexten => " + bob + `,1,Answer()
 same => n,Echo()
exten => 1004,1,Answer()
 same => n,Milliwatt()
exten => 5,1,Answer()
 same => n,Verbose(0,caller ${CALLERID(num)} is ${CALLERID(name)})
 same => n,Read(key,,1,,,15)
 same => n,Verbose(0,key was ${key})
 same => n,SendDTMF(7)
 same => n,Echo()
`

// sisterByIAX2 is a trunk to an Asterisk, or from it.
func sisterByIAX2(settings string) string { return sister(ada, "protocol = \"iax2\"\n"+settings) }

// variants are what both sides may agree on, in the words of each.
var variants = map[string]struct{ general, asterisk, tincan string }{
	"clear":                  {"", "requirecalltoken=yes\n", `encryption = "off"`},
	"encrypted":              {"", "encryption=yes\nforceencryption=yes\n", `encryption = "required"`},
	"trunking":               {"trunktimestamps=yes\n", "trunk=yes\n", "encryption = \"off\"\ntrunking = true"},
	"trunking without times": {"trunktimestamps=no\n", "trunk=yes\n", "encryption = \"off\"\ntrunking = true"},
}

// TestAsteriskIsTheCarrier: Tincan registers at an Asterisk, which wants tokens;
// calls go both ways. In an encrypted call Asterisk changes its key at once.
func TestAsteriskIsTheCarrier(t *testing.T) {
	for name, both := range variants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := peer.StartAsterisk(t, peer.AsteriskSpec{
				IAX: both.general + asteriskPeer("secret=between-us\nhost=dynamic\n"+both.asterisk), Dialplan: asteriskNumbers,
			})
			s := startServer(t, people(ada)+sisterByIAX2(registersAt(a.Address(), both.tincan)))
			s.awaitTrunk(t, "sister", "registered")
			talkWithAsterisk(t, s, a)
		})
	}
}

// TestAsteriskRegistersHere: the other way round.
func TestAsteriskRegistersHere(t *testing.T) {
	for name, both := range variants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, people(ada)+sisterByIAX2(registersHere+"\n"+both.tincan))
			a := peer.StartAsterisk(t, peer.AsteriskSpec{
				IAX: both.general + fmt.Sprintf("register => tincan:between-us@%s\n", s.addressIAX2()) +
					asteriskPeer(fmt.Sprintf("secret=between-us\nhost=127.0.0.1\nport=%d\n", s.iax2)+both.asterisk),
				Dialplan: asteriskNumbers,
			})
			s.awaitTrunk(t, "sister", "registered here")
			talkWithAsterisk(t, s, a)
		})
	}
}

// TestAsteriskByKeys: no password, each side has the other's public key.
func TestAsteriskByKeys(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada))
	private, public := keyPair(t)
	a := peer.StartAsterisk(t, peer.AsteriskSpec{
		IAX:      asteriskPeer(fmt.Sprintf("auth=rsa\ninkeys=ours\noutkey=theirs\nhost=127.0.0.1\nport=%d\n", s.iax2)),
		Dialplan: asteriskNumbers,
		Keys:     map[string]string{"ours.pub": string(s.tincan(t, "trunk", "key")), "theirs.key": private},
	})
	s.apply(t, people(ada)+sisterByIAX2(fmt.Sprintf(
		"address = %q\naccept = \"digest\"\nusername = \"tincan\"\nkey = %q\nencryption = \"off\"", a.Address(), public)))
	talkWithAsterisk(t, s, a)
}

// asteriskCalls share the packets of one trunk.
const asteriskCalls = 40

// TestManyCallsShareATrunkWithAsterisk: all are up, and who listens among them hears
// what is for him alone.
func TestManyCallsShareATrunkWithAsterisk(t *testing.T) {
	if testing.Short() {
		t.Skip("forty calls")
	}
	both := variants["trunking"]
	a := peer.StartAsterisk(t, peer.AsteriskSpec{
		IAX: both.general + asteriskPeer("secret=between-us\nhost=dynamic\n"+both.asterisk), Dialplan: asteriskNumbers,
	})
	s := startServer(t, people(ada)+sisterByIAX2(registersAt(a.Address(), both.tincan))+
		"[[route]]\nfrom = \"trunk:sister\"\nnumber = \"600\"\nto = \"app:echo\"\n")
	s.awaitTrunk(t, "sister", "registered")
	for range asteriskCalls {
		a.Send(t, "channel originate IAX2/tincan/600 application Milliwatt")
	}
	s.awaitCalls(t, asteriskCalls)
	phone := baresip(t, s, ada, codec("g722"))
	phone.Dial(t, "9"+bob)
	phone.AwaitEstablished(t)
	phone.Ear().Hears(t, adaTone)
	phone.Ear().HearsNot(t, 1004)
	phone.Hangup(t)
	s.awaitCalls(t, asteriskCalls)
	a.Send(t, "channel request hangup all")
	s.awaitNoCalls(t)
}

// TestAsteriskSaysWhy: why a call failed crosses over, both ways.
func TestAsteriskSaysWhy(t *testing.T) {
	t.Parallel()
	a := peer.StartAsterisk(t, peer.AsteriskSpec{
		IAX: asteriskPeer("secret=between-us\nhost=dynamic\n"),
		Dialplan: asteriskNumbers + "exten => 486,1,Hangup(17)\nexten => 487,1,Busy(10)\nexten => 503,1,Congestion(10)\n" +
			"exten => 200,1,Dial(IAX2/tincan/" + ada + ")\n same => n,Verbose(0,status ${DIALSTATUS} ${HANGUPCAUSE})\n" +
			"exten => 201,1,Dial(IAX2/tincan/999)\n same => n,Verbose(0,status ${DIALSTATUS} ${HANGUPCAUSE})\n",
	})
	s := startServer(t, people(ada)+sisterByIAX2(registersAt(a.Address(), `encryption = "off"`)))
	s.awaitTrunk(t, "sister", "registered")
	phone := baresip(t, s, ada, codec("g722"))
	for number, status := range map[string]string{"9486": "486", "9487": "486", "9503": "503", "9777": "404"} {
		phone.Dial(t, number)
		if reason := phone.AwaitClosed(t); !strings.HasPrefix(reason, status) {
			t.Errorf("a call to %s ends with %q, want %s", number, reason, status)
		}
	}
	a.Send(t, "channel originate Local/200@in application Echo")
	phone.AwaitIncoming(t)
	phone.Hangup(t)
	a.Await(t, "status BUSY 17")
	a.Send(t, "channel originate Local/201@in application Echo")
	a.Await(t, "status CHANUNAVAIL 1", "status CONGESTION 1")
	s.awaitNoCalls(t)
}

// TestAsteriskRefuses: a wrong secret is shown as refused, and calls fail at once.
func TestAsteriskRefuses(t *testing.T) {
	t.Parallel()
	a := peer.StartAsterisk(t, peer.AsteriskSpec{
		IAX: asteriskPeer("secret=another\nhost=dynamic\n"), Dialplan: asteriskNumbers,
	})
	s := startServer(t, people(ada)+sisterByIAX2(registersAt(a.Address(), `encryption = "off"`)))
	s.awaitTrunk(t, "sister", "refused")
	phone := baresip(t, s, ada, codec("g722"))
	phone.Dial(t, "9"+bob)
	wantReason(t, phone.AwaitClosed(t), "500")
	s.awaitNoCalls(t)
}

// TestAsteriskWrites: a text within a call.
func TestAsteriskWrites(t *testing.T) {
	t.Parallel()
	a := peer.StartAsterisk(t, peer.AsteriskSpec{
		IAX:      asteriskPeer("secret=between-us\nhost=dynamic\n"),
		Dialplan: "[in]\nexten => 8,1,Answer()\n same => n,SendText(" + greeting + ")\n same => n,Milliwatt()\n",
	})
	s := startServer(t, people(ada)+sisterByIAX2(registersAt(a.Address(), `encryption = "off"`)))
	s.awaitTrunk(t, "sister", "registered")
	phone := linphone(t, s, ada)
	phone.Dial(t, "98")
	phone.AwaitEstablished(t)
	phone.AwaitText(t, "8", greeting)
	phone.Hangup(t)
	s.awaitNoCalls(t)
}

// TestCallByAsteriskOutlivesKill: Asterisk notices nothing of our end and new
// beginning, in an encrypted call too.
func TestCallByAsteriskOutlivesKill(t *testing.T) {
	for _, name := range []string{"clear", "encrypted"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both := variants[name]
			a := peer.StartAsterisk(t, peer.AsteriskSpec{
				IAX: both.general + asteriskPeer("secret=between-us\nhost=dynamic\n"+both.asterisk), Dialplan: asteriskNumbers,
			})
			s := startServer(t, people(ada)+sisterByIAX2(registersAt(a.Address(), both.tincan)))
			s.awaitTrunk(t, "sister", "registered")
			phone := baresip(t, s, ada, codec("g722"))
			phone.Dial(t, "9"+bob)
			phone.AwaitEstablished(t)
			phone.Ear().Hears(t, adaTone)
			s.crash(t)
			phone.Ear().Hears(t, adaTone)
			phone.Hangup(t)
			phone.AwaitClosed(t)
			s.awaitNoCalls(t)
		})
	}
}

// TestAsteriskBetweenTwo: Asterisk joins two of us.
func TestAsteriskBetweenTwo(t *testing.T) {
	t.Parallel()
	a := peer.StartAsterisk(t, peer.AsteriskSpec{
		IAX:      "disallow=all\nallow=g722\n" + joinable(ada) + joinable(bob),
		Dialplan: fmt.Sprintf("[in]\nexten => %s,1,Dial(IAX2/t%[1]s/%[1]s)\nexten => %s,1,Dial(IAX2/t%[2]s/%[2]s)\n", ada, bob),
	})
	one := func(number string) *server {
		s := startServer(t, people(number)+sister(number, fmt.Sprintf(
			"protocol = \"iax2\"\naddress = %q\nregister = true\nusername = \"t%s\"\nsecret = \"between-us\"\nencryption = \"off\"", a.Address(), number)))
		s.awaitTrunk(t, "sister", "registered")
		return s
	}
	near, far := one(ada), one(bob)
	talkAcross(t, baresip(t, near, ada, codec("g722")), baresip(t, far, bob, codec("g722")))
	near.awaitNoCalls(t)
	far.awaitNoCalls(t)
}

// joinable is a section of iax.conf for one of two that Asterisk joins.
func joinable(number string) string {
	return fmt.Sprintf("[t%s]\ntype=friend\nsecret=between-us\nhost=dynamic\ncontext=in\ntransfer=yes\n", number)
}

// TestOpusByAsterisk: Asterisk hands Opus on, which it can name in 64 bits alone.
func TestOpusByAsterisk(t *testing.T) {
	t.Parallel()
	a := peer.StartAsterisk(t, peer.AsteriskSpec{
		IAX: "disallow=all\nallow=opus\n[tincan]\ntype=friend\nsecret=between-us\nhost=dynamic\ncontext=in\n", Dialplan: asteriskNumbers,
	})
	s := startServer(t, people(ada)+sisterByIAX2(registersAt(a.Address(), `encryption = "off"`)))
	s.awaitTrunk(t, "sister", "registered")
	phone := baresip(t, s, ada, codec("opus"))
	phone.Dial(t, "9"+bob)
	phone.AwaitEstablished(t)
	phone.Ear().Hears(t, adaTone)
	phone.Hangup(t)
	s.awaitNoCalls(t)
}

// talkWithAsterisk calls both ways, hears, and exchanges names and keys.
func talkWithAsterisk(t *testing.T, s *server, a *peer.Asterisk) {
	t.Helper()
	phone := baresip(t, s, ada, codec("g722"))
	phone.Dial(t, "9"+bob)
	phone.AwaitEstablished(t)
	phone.Ear().Hears(t, adaTone)
	phone.Hangup(t)
	phone.AwaitClosed(t)
	phone.Dial(t, "95")
	phone.AwaitEstablished(t)
	a.Await(t, "caller "+ada+" is Phone "+ada)
	phone.Digit(t, "5")
	a.Await(t, "key was 5")
	phone.AwaitDigit(t, "7")
	phone.Hangup(t)
	phone.AwaitClosed(t)
	s.awaitNoCalls(t)
	a.Send(t, "channel originate IAX2/tincan/"+ada+" application Milliwatt")
	phone.AwaitIncoming(t)
	phone.Answer(t)
	phone.AwaitEstablished(t)
	phone.Ear().Hears(t, 1004)
	a.Send(t, "channel request hangup all")
	phone.AwaitClosed(t)
	s.awaitNoCalls(t)
}

// keyPair makes an RSA key as Asterisk's astgenkey does.
func keyPair(t *testing.T) (private, public string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), block("PUBLIC KEY", der)
}
