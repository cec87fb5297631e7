package sip

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/media/sdp"
	"tincan/phone/media/secure"
)

// secured makes an offer or answer of a phone one of RTP/SAVP with these keys.
func securedBody(body string, lines ...secure.Crypto) string {
	body = strings.Replace(body, "RTP/AVP", "RTP/SAVP", 1)
	for _, c := range lines {
		body += "a=crypto:" + c.Value() + "\r\n"
	}
	return body
}

// soundOf reads the line of sound of a message.
func soundOf(t *testing.T, m interface{ Body() []byte }) media.Stream {
	t.Helper()
	d, _, err := sdp.Parse(m.Body())
	if err != nil || len(d.Streams) == 0 {
		t.Fatalf("%v in\n%s", err, m.Body())
	}
	return d.Streams[0]
}

func (l *lab) encrypt(number, policy string) {
	l.change(number, func(f *directory.ExtensionForm) { f.Encryption = policy })
}

// encryption of the legs of the only call, the caller's first.
func (l *lab) encryption() (out []string) {
	l.t.Helper()
	all := l.calls.Snapshots()
	if len(all) != 1 {
		l.t.Fatalf("%d calls", len(all))
	}
	for _, leg := range all[0].Legs {
		out = append(out, leg.Encryption)
	}
	return out
}

// refuse refuses the media of an INVITE.
func (p *phone) refuse(in wire.Message) {
	p.t.Helper()
	p.answer(in, 488, "no", "")
	p.expect("ACK")
}

func endedByRefusal(t *testing.T, l *lab, a *phone, d dlg, number string, n int, says string) {
	t.Helper()
	res := a.expect("488")
	a.send("ACK", "sip:"+number+"@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	if w := header(res, "Warning"); !strings.Contains(w, says) {
		t.Errorf("Warning %q, want %q in it", w, says)
	}
	if rec := l.last(n); rec.Cause != call.Unencrypted.Kind || rec.SIPCode != 488 {
		t.Errorf("record %+v", rec)
	}
}

// A caller with keys is answered with keys; the callee, over UDP and without a
// wish, is asked for none.
func TestKeysOfACallerAreAnswered(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	offer := secure.Offer()[1:3]
	d := a.invite("102", securedBody(a.offer(), offer...))
	in := b.expect("INVITE")
	if st := soundOf(t, in); st.Proto != "RTP/AVP" || len(st.Crypto) != 0 {
		t.Errorf("the callee is offered %s, %d keys", st.Proto, len(st.Crypto))
	}
	b.answer(in, 200, "bt", b.offer("0"))
	b.expect("ACK")
	ok := a.expect("200")
	st := soundOf(t, ok)
	if st.Proto != "RTP/SAVP" || len(st.Crypto) != 1 || st.Crypto[0].Tag != offer[0].Tag || st.Crypto[0].Suite != offer[0].Suite {
		t.Errorf("the caller is answered\n%s", ok.Body())
	}
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	if got := l.encryption(); got[0] != "SDES AES_CM_128_HMAC_SHA1_80, its keys in the clear over udp" || got[1] != "" {
		t.Errorf("calls show %q", got)
	}
	// The same offer again gets the same key, under the same version.
	a.send("INVITE", target(ok), d.next(), securedBody(a.offer(), offer...))
	again := a.expect("200")
	if !bytes.Equal(again.Body(), ok.Body()) {
		t.Errorf("answered again\n%s\nafter\n%s", again.Body(), ok.Body())
	}
	a.send("ACK", target(ok), d.next(), "")
	next := d.next()
	next.seq++
	a.send("BYE", target(ok), next, "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	if rec := l.last(1); rec.Legs[0].Encryption == "" || rec.Legs[1].Encryption != "" {
		t.Errorf("record %+v", rec.Legs)
	}
	l.idle()
}

// A callee whose encryption is wanted is offered it, and called without if it
// refuses; the call says so.
func TestWantedEncryption(t *testing.T) {
	l := newLab(t)
	l.encrypt("102", directory.EncryptionWanted)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	if st := soundOf(t, in); st.Proto != "RTP/SAVP" || len(st.Crypto) != len(secure.Offer()) {
		t.Errorf("offered %s with %d keys", st.Proto, len(st.Crypto))
	}
	b.refuse(in)
	in = b.expect("INVITE")
	if st := soundOf(t, in); st.Proto != "UDP/TLS/RTP/SAVP" || len(st.Fingerprints) != 1 || st.Setup != "actpass" || !st.Mux {
		t.Errorf("then offered %+v", st)
	}
	b.refuse(in)
	in = b.expect("INVITE")
	if st := soundOf(t, in); st.Proto != "RTP/AVP" || len(st.Crypto) == 0 {
		t.Errorf("then offered %s with %d keys", st.Proto, len(st.Crypto))
	}
	b.answer(in, 200, "bt", b.offer("0"))
	b.expect("ACK")
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	if got := l.encryption(); got[0] != "" || got[1] != "none, though wanted" {
		t.Errorf("calls show %q", got)
	}
	a.send("BYE", target(ok), d.within(ok).next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// A phone that takes the call and leaves the sound out, as it does not know the
// profile, is offered it in another; the caller hears of none of that.
func TestProfileThatIsLeftOut(t *testing.T) {
	l := newLab(t)
	l.encrypt("102", directory.EncryptionWanted)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	none := strings.Replace(b.offer("0"), fmt.Sprintf("m=audio %d RTP/AVP", b.rtp), "m=audio 0 RTP/SAVP", 1)
	for _, profile := range []string{"RTP/SAVP", "UDP/TLS/RTP/SAVP", "RTP/AVP"} {
		in := b.expect("INVITE")
		if st := soundOf(t, in); st.Proto != profile {
			t.Errorf("offered %s, want %s", st.Proto, profile)
		}
		body := none
		if profile == "RTP/AVP" {
			body = b.offer("0")
		}
		b.answer(in, 200, "bt", body)
		b.expect("ACK")
	}
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	if st := soundOf(t, ok); st.Refused() {
		t.Error("the caller gets no sound")
	}
	a.send("BYE", target(ok), d.within(ok).next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// Keys beside RTP/AVP may be taken (RFC 8643).
func TestKeysBesidePlainMedia(t *testing.T) {
	l := newLab(t)
	l.encrypt("102", directory.EncryptionWanted)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	b.refuse(b.expect("INVITE"))
	b.refuse(b.expect("INVITE"))
	in := b.expect("INVITE")
	line, _, _ := secure.Choose(soundOf(t, in).Crypto, secure.Crypto{})
	b.answer(in, 200, "bt", b.offer("0")+"a=crypto:"+line.Value()+"\r\n")
	b.expect("ACK")
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	if got := l.encryption(); !strings.HasPrefix(got[1], "SDES AEAD_AES_128_GCM") {
		t.Errorf("calls show %q", got)
	}
	a.send("BYE", target(ok), d.within(ok).next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// Encryption that is required and not to be had ends the call, and says whose.
func TestRequiredEncryption(t *testing.T) {
	l := newLab(t)
	l.encrypt("102", directory.EncryptionRequired)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	d := a.invite("102", a.offer())
	in := b.expect("INVITE")
	if st := soundOf(t, in); st.Proto != "RTP/SAVP" {
		t.Errorf("offered %s", st.Proto)
	}
	b.refuse(in)
	for range 3 { // then by a handshake; and both with more codecs
		b.refuse(b.expect("INVITE"))
	}
	endedByRefusal(t, l, a, d, "102", 1, "extension:102 refuses encrypted media")

	d = a.invite("102", a.offer())
	in = b.expect("INVITE")
	b.answer(in, 200, "bt", b.offer("0"))
	b.expect("ACK")
	b.answer(b.expect("BYE"), 200, "", "")
	endedByRefusal(t, l, a, d, "102", 2, "extension:102: "+answersNothing)

	d = b.invite("101", b.offer())
	endedByRefusal(t, l, b, d, "101", 3, "extension:102: "+offersNothing)
	l.idle()
}

func TestEncryptionOff(t *testing.T) {
	l := newLab(t)
	l.encrypt("101", directory.EncryptionOff)
	a := l.phone("101")
	d := a.invite("*43", securedBody(a.offer(), secure.Offer()...))
	endedByRefusal(t, l, a, d, "*43", 1, "RTP/SAVP alone, and encryption is off")
	l.idle()
}

// A caller that leaves the offer to us is offered what its policy says.
func TestKeysInOurAnswersOffer(t *testing.T) {
	l := newLab(t)
	l.encrypt("101", directory.EncryptionRequired)
	a := l.phone("101")
	d := a.invite("*43", "")
	ok := a.expect("200")
	st := soundOf(t, ok)
	line, _, taken := secure.Choose(st.Crypto, secure.Crypto{})
	if st.Proto != "RTP/SAVP" || !taken {
		t.Fatalf("offered\n%s", ok.Body())
	}
	d = d.within(ok)
	a.send("ACK", target(ok), d, securedBody(a.offer("0"), line))
	l.eventually(func() bool { return strings.HasPrefix(l.encryption()[0], "SDES") })
	a.send("BYE", target(ok), d.next(), "")
	a.expect("200")
	l.idle()
}

// The keys of a standing call are kept sealed, and another process goes on with
// them.
func TestKeysOutliveTheProcess(t *testing.T) {
	l := newLab(t)
	l.encrypt("102", directory.EncryptionRequired)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	mine := secure.Offer()[0]
	d := a.invite("102", securedBody(a.offer(), mine))
	in := b.expect("INVITE")
	line, _, _ := secure.Choose(soundOf(t, in).Crypto, secure.Crypto{})
	b.answer(in, 200, "bt", securedBody(b.offer("0"), line))
	b.expect("ACK")
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	before := l.encryption()
	l.close()

	l2 := openLab(t, l.dir, l.udp.String())
	for id, state := range l2.standing(1) {
		for _, key := range [][]byte{mine.Key, line.Key, soundOf(t, ok).Crypto[0].Key} {
			value := secure.Crypto{Key: key}.Value()
			text, _, _ := strings.Cut(value[strings.Index(value, "inline:")+7:], "|")
			if bytes.Contains(state, key) || bytes.Contains(state, []byte(text)) {
				t.Error("a key is in the store in the clear")
			}
		}
		if err := l2.calls.Adopt(id, state); err != nil {
			t.Fatal(err)
		}
	}
	if got := l2.encryption(); fmt.Sprint(got) != fmt.Sprint(before) || !strings.HasPrefix(got[0], "SDES") {
		t.Errorf("encrypted as %q, before as %q", got, before)
	}
	for _, party := range []string{"extension:101", "extension:102"} {
		if leg := l2.legOf(party); leg.audio().Stats().Suite != "AEAD_AES_128_GCM" {
			t.Errorf("%s goes on with suite %q", party, leg.audio().Stats().Suite)
		}
	}
	a.lab = l2
	a.send("BYE", target(ok), d.within(ok).next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l2.idle()
}
