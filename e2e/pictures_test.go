package e2e

import (
	"strings"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// Two browsers see each other in each codec for pictures that they have, with the
// parameters that they chose.
func TestVideoCodecsBetweenBrowsers(t *testing.T) {
	for _, c := range []struct{ codec, parameters string }{
		{"video/H264", "packetization-mode=1;profile-level-id=42e01f"},
		{"video/H264", "packetization-mode=0;profile-level-id=42001f"},
		{"video/VP9", "profile-id=0"},
		{"video/AV1", "profile=0"},
	} {
		t.Run(c.codec+" "+c.parameters, func(t *testing.T) {
			s := startServer(t, people(ada, bob))
			camera := func(a *peer.Account) { a.Video = true }
			a, b := browser(t, s, ada, camera), browser(t, s, bob, camera)
			for _, p := range []*peer.Browser{a, b} {
				p.Films(t, c.codec, c.parameters)
			}
			connect(t, a, b, bob)
			for _, p := range []*peer.Browser{a, b} {
				p.Sees(t, 20)
				if got := p.Pictures(t); got.Codec != c.codec || !strings.Contains(got.Parameters, c.parameters) {
					t.Errorf("seen in %s %s", got.Codec, got.Parameters)
				}
			}
			hangUp(t, b, a)
		})
	}
}

// h264Begins tells whether a payload begins a part of a picture, and whether that is a
// whole one, or what comes before it (RFC 6184 5.2).
func h264Begins(b []byte) (begins, key bool) {
	const slice, whole, sequence, several, fragment = 1, 5, 7, 24, 28
	kind := b[0] & 31
	switch {
	case kind == fragment && len(b) > 1:
		kind, begins = b[1]&31, b[1]&0x80 != 0
	case kind == several && len(b) > 3:
		kind, begins = b[3]&31, true
	default:
		begins = kind >= slice && kind < several
	}
	return begins, begins && (kind == whole || kind == sequence)
}

// A browser and a phone of another maker see each other in H.264: each begins with a
// whole picture, and so does what is seen after a hold.
func TestVideoInH264BetweenBrowserAndPhone(t *testing.T) {
	here, far, link := newFarPlace(t)
	toBob, toAda := &film{begins: h264Begins}, &film{begins: h264Begins}
	link.Weather(peer.Weather{Drop: toBob.watch}, peer.Weather{Drop: toAda.watch})
	s := startServerAt(t, place{ip: publicIP, netns: here}, people(ada, bob))
	a := browser(t, s, ada, func(a *peer.Account) { a.IP, a.Netns, a.Video = publicIP, here, true })
	a.Films(t, "video/H264", "packetization-mode=0;profile-level-id=42e01f")
	b := baresip(t, s, bob, func(b *peer.Account) { b.IP, b.Netns, b.Video, b.Film = farIP, far, true, "h264" })
	began := time.Now()
	connect(t, a, b, bob)
	toBob.await(t, began)
	toAda.await(t, began)
	a.Sees(t, 20)
	hearEachOther(t, a, adaTone, b, bobTone)
	a.Hold(t)
	resumed := time.Now()
	a.Resume(t)
	toBob.await(t, resumed)
	a.Sees(t, 20)
	hangUp(t, a, b)
}

// hole loses a second of sound and pictures.
func hole() func([]byte) bool {
	lost := 0
	return func(packet []byte) bool {
		if _, _, udp := peer.UDPPorts(packet); !udp || lost == 60 {
			return false
		}
		lost++
		return true
	}
}

// Two browsers whose pictures are lost on the way ask each other for whole ones, and
// for what is missing, through the server.
func TestLostPicturesAreAskedFor(t *testing.T) {
	here, far, link := newFarPlace(t)
	s := startServerAt(t, place{ip: publicIP, netns: here}, people(ada, bob))
	a := browser(t, s, ada, func(a *peer.Account) { a.IP, a.Netns, a.Video = farIP, far, true })
	b := browser(t, s, bob, func(b *peer.Account) { b.IP, b.Netns, b.Video = publicIP, here, true })
	connect(t, a, b, bob)
	a.Sees(t, 20)
	b.Sees(t, 20)
	before := map[*peer.Browser]peer.Pictures{a: a.Pictures(t), b: b.Pictures(t)}
	link.Weather(peer.Weather{Drop: hole()}, peer.Weather{Drop: hole()})
	for p, was := range before {
		p.AwaitAsked(t, was.Asked)
	}
	for p, was := range before {
		p.Sees(t, 20)
		if now := p.Pictures(t); now.Repeated == was.Repeated || now.Whole == was.Whole {
			t.Errorf("it was %+v, it is %+v", was, now)
		}
	}
	hangUp(t, b, a)
}
