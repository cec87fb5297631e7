package media

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
)

// videoClock is RTP's for pictures (RFC 6184 8.1, RFC 7741 6.1).
const videoClock = 90000

var vp8 = codec.Format{PT: 96, Name: "vp8", Clock: videoClock, Channels: 1}

// Whoever sees a party from now on is sent a whole picture: at a join, and when a
// hold is over.
func TestWholePictureForWhoSeesFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", vp8), newPhone(t, e, "2.2.2.2", vp8)
		film := func() {
			a.send(false, a.addr, a.packet(rtp.Header{PT: vp8.PT, Time: a.time}, []byte{0x10, 1}))
			a.time += videoClock / 25
		}
		asked := func() (n int) {
			for _, d := range a.control() {
				packets, err := rtcp.Unmarshal(d.data)
				if err != nil || len(packets) != 2 {
					t.Fatalf("%x: %v", d.data, err)
				}
				want := &rtcp.PictureLossIndication{SenderSSRC: packets[0].(*rtcp.ReceiverReport).SSRC, MediaSSRC: a.ssrc}
				if d := cmp.Diff(want, packets[1]); d != "" {
					t.Error(d)
				}
				n++
			}
			return n
		}
		film()
		if asked() != 0 {
			t.Error("a picture is asked for that nobody sees")
		}
		bridge := Join(a.flow, b.flow)
		if n := asked(); n != 1 {
			t.Errorf("asked %d times at the join", n)
		}
		for range 10 {
			film()
		}
		bridge.Reconfigured()
		if n := asked(); n != 0 {
			t.Errorf("asked %d times while nothing changes", n)
		}
		bridge.Mute(0, true)
		film()
		bridge.Mute(0, false)
		if n := asked(); n != 1 {
			t.Errorf("asked %d times after a hold", n)
		}
		if n := len(b.control()); n != 10 {
			t.Errorf("%d packets reached the other, who has sent nothing to be asked for", n)
		}
	})
}
