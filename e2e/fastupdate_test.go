package e2e

import (
	"strconv"
	"testing"

	"tincan/e2e/peer"
)

const pictureUpdate = "Content-Type: application/media_control+xml\n\n" +
	`<?xml version="1.0"?><media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>`

// A phone that knows of whole pictures by INFO alone (RFC 5168) and a browser, which
// asks by RTCP: each is asked in its own way. SIPp sends the browser's film back.
func TestPictureIsAskedForByINFO(t *testing.T) {
	s := startServer(t, people(ada, bob))
	port, media := peer.FreePort(t), peer.FreeMedia(t)
	s.registered(t, bob, port, "")
	phone := peer.NewScript()
	in := phone.Incoming("in")
	in.Receive("INVITE", phone.Check("m=video [1-9]"))
	in.Respond("200 OK", "INVITE", peer.Sound+"\nm=video "+strconv.Itoa(media+2)+" RTP/AVP 96\na=rtpmap:96 VP8/90000")
	in.Receive("ACK")
	in.Receive("INFO", phone.Check("application/media_control.xml"), phone.Check("<picture_fast_update */>"))
	in.Respond("200 OK", "INFO")
	for range 3 {
		in.Send("INFO", pictureUpdate)
		in.Receive("200")
	}
	in.Receive("BYE")
	in.Respond("200 OK", "BYE")
	b := s.run(t, "asks by INFO", phone, port, "-mp", strconv.Itoa(media), "-rtp_echo")
	a := browser(t, s, ada, func(a *peer.Account) { a.Video = true })
	a.Dial(t, bob)
	a.AwaitEstablished(t)
	a.Sees(t, 10)
	asked := a.Pictures(t).Asked
	a.Hold(t)
	a.Resume(t)              // it wants a whole picture now
	a.AwaitAsked(t, asked+2) // more often than that alone brings
	a.Sees(t, 10)
	a.Hangup(t)
	peer.AwaitSuccess(t, b, peer.Patience)
}
