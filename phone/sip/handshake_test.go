package sip

import (
	"encoding/binary"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"tincan/phone/media/rtp"
	"tincan/phone/media/secure"
)

// hand is a phone's side of a handshake, on a socket of its own.
type hand struct {
	conn     *net.UDPConn
	identity *secure.Identity
	group    sync.WaitGroup
	shake    *secure.Handshake
	keys     chan secure.Keys
	media    chan []byte
}

func newHand(t *testing.T) *hand {
	t.Helper()
	identity, err := secure.NewIdentity(nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return &hand{conn: conn, identity: identity, keys: make(chan secure.Keys, 1), media: make(chan []byte, 100)}
}

// offer is a description with the phone's socket and a fingerprint.
func (h *hand) offer(p *phone, print secure.Fingerprint, setup string) string {
	p.rtp = portOn(h.conn)
	body := strings.Replace(p.offer("0"), "RTP/AVP", "UDP/TLS/RTP/SAVP", 1)
	return body + "a=rtcp-mux\r\na=fingerprint:" + print.Value() + "\r\na=setup:" + setup + "\r\n"
}

// begin shakes hands with where an answer says, and believes its fingerprint.
func (h *hand) begin(t *testing.T, answer interface{ Body() []byte }, active bool) {
	t.Helper()
	st := soundOf(t, answer)
	to := net.UDPAddrFromAddrPort(st.RTP)
	h.shake = secure.StartHandshake(secure.HandshakeConfig{
		Terms: secure.Terms{Identity: h.identity, Active: active, Prints: st.Fingerprints}, Group: &h.group,
		Send: func(b []byte) { _, _ = h.conn.WriteTo(b, to) },
		Done: func(k secure.Keys, err error) {
			if err == nil {
				h.keys <- k
			}
		},
	})
	h.group.Go(func() {
		b := make([]byte, 2000)
		for {
			n, err := h.conn.Read(b)
			if err != nil {
				return
			}
			if rtp.Classify(b[:n]) == rtp.DTLS {
				h.shake.Take(b[:n])
			} else if rtp.Classify(b[:n]) == rtp.Media {
				select {
				case h.media <- append([]byte(nil), b[:n]...):
				default:
				}
			}
		}
	})
	t.Cleanup(func() {
		_ = h.conn.Close()
		h.shake.Close()
		h.group.Wait()
	})
}

// A phone that shakes hands is heard by the echo and hears it, whoever begins, and
// nothing of it is in the clear.
func TestHandshakeWithAPhone(t *testing.T) {
	for _, setup := range []string{"active", "passive", "actpass"} {
		l := newLab(t)
		a, h := l.phone("101"), newHand(t)
		d := a.invite("*43", h.offer(a, h.identity.Fingerprint(), setup))
		ok := a.expect("200")
		if st := soundOf(t, ok); st.Proto != "UDP/TLS/RTP/SAVP" || st.Setup != map[string]string{"active": "passive", "passive": "active", "actpass": "passive"}[setup] {
			t.Fatalf("%s is answered by %s, %s", setup, st.Proto, st.Setup)
		}
		a.send("ACK", target(ok), d.within(ok), "")
		h.begin(t, ok, setup != "passive")
		session, err := secure.New(<-h.keys)
		if err != nil {
			t.Fatal(err)
		}
		to := net.UDPAddrFromAddrPort(soundOf(t, ok).RTP)
		for seq := uint16(1); ; seq++ {
			sealed, err := session.Protect(nil, rtpPacket(0, seq, strings.Repeat("x", 160)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.conn.WriteTo(sealed, to); err != nil {
				t.Fatal(err)
			}
			select {
			case b := <-h.media:
				if strings.Contains(string(b), "xxxx") {
					t.Error("it is echoed in the clear")
				}
				if b, err = session.Unprotect(b); err != nil || binary.BigEndian.Uint16(b) == 0 {
					t.Errorf("what is heard: %v", err)
				}
			case <-time.After(20 * time.Millisecond):
				continue // the server has not got our last word yet
			}
			break
		}
		l.eventually(func() bool { return l.encryption()[0] == "DTLS AEAD_AES_128_GCM" })
		a.send("BYE", target(ok), d.within(ok).next(), "")
		a.expect("200")
		l.idle()
	}
}

// A certificate that is not the one of the description ends the call, and says so.
func TestOtherCertificateEndsTheCall(t *testing.T) {
	l := newLab(t)
	a, h, other := l.phone("101"), newHand(t), newHand(t)
	_ = other.conn.Close()
	d := a.invite("*43", h.offer(a, other.identity.Fingerprint(), "active"))
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	h.begin(t, ok, true)
	bye := a.expect("BYE")
	if why := header(bye, "Reason"); !strings.Contains(why, "cause=488") || !strings.Contains(why, "fingerprint") {
		t.Errorf("Reason %q", why)
	}
	a.answer(bye, 200, "", "")
	if rec := l.last(1); rec.Cause != "unencrypted" {
		t.Errorf("record %+v", rec)
	}
	l.idle()
}

// A device that speaks DTLS is offered it first the next time.
func TestHabitOfADevice(t *testing.T) {
	l := newLab(t)
	a, b, h := l.phone("101"), l.phone("102"), newHand(t)
	defer func() { _ = h.conn.Close() }()
	b.register()
	d := b.invite("*43", h.offer(b, h.identity.Fingerprint(), "actpass"))
	ok := b.expect("200")
	b.send("ACK", target(ok), d.within(ok), "")
	b.send("BYE", target(ok), d.within(ok).next(), "")
	b.expect("200")
	call := a.invite("102", a.offer())
	in := b.expect("INVITE")
	if st := soundOf(t, in); st.Proto != "UDP/TLS/RTP/SAVP" || st.Setup != "actpass" {
		t.Errorf("it is offered %s", st.Proto)
	}
	b.refuse(in)
	if st := soundOf(t, b.expect("INVITE")); st.Proto != "RTP/AVP" {
		t.Errorf("then %s", st.Proto)
	}
	a.send("CANCEL", "sip:102@tincan", call, "")
	a.expect("487")
}
