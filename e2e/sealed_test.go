package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// An encrypted phone, one in the clear, a browser and one by DTLS are in a conference:
// each hears all others, and so does its recording.
func TestEncryptedAndPlainMeet(t *testing.T) {
	s := startServer(t, people(ada, bob, eve, "104")+routes("800", "conference:lounge"))
	a := baresip(t, s, ada, by(s, "tls"), encrypted("srtp"))
	b := baresip(t, s, bob)
	c := browser(t, s, eve)
	const dan, danTone = "104", 620.0
	d := linphone(t, s, dan, by(s, "tls"), encrypted("dtls"), func(a *peer.Account) { a.Tone = danTone })
	for _, p := range []peer.Phone{a, b, c, d} {
		meets(t, p, "800")
	}
	a.Ear().HearsChord(t, bobTone, eveTone, danTone)
	b.Ear().HearsChord(t, adaTone, eveTone, danTone)
	c.Ear().HearsChord(t, adaTone, bobTone, danTone)
	d.Ear().HearsChord(t, adaTone, bobTone, eveTone)
	path := filepath.Join(s.folder, "lounge.wav")
	s.tincan(t, "record", "conference:lounge", path)
	a.Ear().HearsChord(t, bobTone, eveTone, danTone) // some time
	s.tincan(t, "record", "conference:lounge", "--stop")
	awaitChord(t, path, adaTone, bobTone, eveTone, danTone)
	for _, p := range []peer.Phone{a, b, c, d} {
		p.Hangup(t)
	}
	s.awaitNoCalls(t)
}

// The call of two encrypted phones is recorded while it stands: they hear each other
// before, meanwhile and after, and stay encrypted.
func TestEncryptedCallIsRecorded(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a := baresip(t, s, ada, by(s, "tls"), encrypted("srtp"))
	b := linphone(t, s, bob, by(s, "tls"), encrypted("dtls"))
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	id, path := s.onlyCall(t), filepath.Join(s.folder, "call.wav")
	s.tincan(t, "record", id, path)
	hearEachOther(t, a, adaTone, b, bobTone)
	awaitChord(t, path, adaTone, bobTone)
	s.tincan(t, "record", id, "--stop")
	hearEachOther(t, a, adaTone, b, bobTone)
	for party, want := range map[string]string{ada: "SDES", bob: "DTLS"} {
		if got := s.encryption(t)["extension:"+party]; !strings.HasPrefix(got, want) {
			t.Errorf("%s is encrypted by %q", party, got)
		}
	}
	hangUp(t, a, b)
}

// A phone whose RTCP has a port of its own, with a handshake of its own (baresip),
// says what it hears.
func TestReportsByDTLSWithoutMux(t *testing.T) {
	t.Parallel()
	for _, calls := range []bool{true, false} {
		t.Run(map[bool]string{true: "it calls", false: "it is called"}[calls], func(t *testing.T) {
			t.Parallel()
			s := startServer(t, people(ada, bob))
			a, b := baresip(t, s, ada, by(s, "tls"), encrypted("dtls")), baresip(t, s, bob)
			from, to, number := a, b, bob
			if !calls {
				from, to, number = b, a, ada
			}
			connect(t, from, to, number)
			hearEachOther(t, a, adaTone, b, bobTone)
			s.awaitFared(t, s.onlyCall(t), func(f *fared) bool {
				for _, p := range f.Parties {
					if p.Party == "extension:"+ada && len(p.Samples) > 0 && p.Samples[len(p.Samples)-1][4] > 4 {
						return true
					}
				}
				return false
			})
			hangUp(t, a, b)
		})
	}
}
