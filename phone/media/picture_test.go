package media

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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

// A party that need not heed RTCP is asked otherwise too, once a second at most; what
// it asks for elsewhere than in its media reaches the other by RTCP.
func TestPictureAskedForOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", vp8), newPhone(t, e, "2.2.2.2", vp8)
		var told atomic.Int64
		b.flow.events.Picture = func() { told.Add(1) }
		for _, p := range []*phone{a, b} {
			p.send(false, p.addr, p.packet(rtp.Header{PT: vp8.PT, Time: p.time}, []byte{0x10, 1}))
		}
		bridge := Join(a.flow, b.flow)
		defer bridge.Close()
		for _, p := range []*phone{a, b} {
			p.send(false, p.addr, p.packet(rtp.Header{PT: vp8.PT, Time: p.time}, []byte{0x10, 1}))
		}
		time.Sleep(2 * time.Second)
		if n := told.Load(); n != 1 {
			t.Errorf("asked %d times at the join", n)
		}
		b.control()
		for range 5 {
			a.flow.AskPicture()
		}
		time.Sleep(2 * time.Second)
		if n := told.Load(); n != 2 {
			t.Errorf("asked %d times, want once more", n)
		}
		asked := 0
		for _, d := range b.control() {
			packets, err := rtcp.Unmarshal(d.data)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range packets {
				if loss, ok := p.(*rtcp.PictureLossIndication); ok && loss.MediaSSRC == b.ssrc {
					asked++
				}
			}
		}
		if asked != 5 {
			t.Errorf("%d requests came by RTCP, want 5", asked)
		}
	})
}
