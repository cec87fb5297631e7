package proof

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tincan/phone/iax2/frame"
)

// The captures hold what others say to each other over the loopback, the most of
// their sound left out:
//
//	iaxmodem.pcap  two iaxmodem 1.2.0 register with Asterisk 22.9, and one calls
//	               the other: no tokens, no elements of 64 bits from the modems
//	asterisk.pcap  two Asterisk 22.9: two calls in a trunk with times, with tokens,
//	               and an encrypted one, whose secret is "between2"
const sharedSecret = "between2"

func TestCaptures(t *testing.T) {
	for file, want := range map[string]seen{
		"testdata/iaxmodem.pcap": {
			commands: []frame.Command{
				frame.New, frame.Ping, frame.Pong, frame.Ack, frame.HangupCall, frame.Accept, frame.AuthReq, frame.AuthRep, frame.RegReq,
				frame.RegAuth, frame.RegAck,
			},
			minis: true,
		},
		"testdata/asterisk.pcap": {
			commands: []frame.Command{
				frame.New, frame.Ack, frame.HangupCall, frame.Accept, frame.AuthReq, frame.AuthRep, frame.CallToken, frame.RtKey,
			},
			minis: true, trunks: true, sealed: true,
		},
	} {
		t.Run(file, func(t *testing.T) {
			r := replay{t: t, keys: map[uint16]*Cipher{}, calls: map[frame.Command]bool{}}
			for _, b := range datagrams(t, file) {
				r.take(b)
			}
			for _, c := range want.commands {
				if !r.calls[c] {
					t.Errorf("%s is not in it", c)
				}
			}
			if want.commands = nil; want.minis != r.minis || want.trunks != r.trunks || want.sealed != r.sealed {
				t.Errorf("saw %+v, want %+v", r.seen, want)
			}
		})
	}
}

// seen is what a capture shows.
type seen struct {
	commands              []frame.Command
	minis, trunks, sealed bool
}

// replay reads datagrams in their order and writes each again.
type replay struct {
	t     *testing.T
	keys  map[uint16]*Cipher // by the call numbers of both sides
	calls map[frame.Command]bool
	seen
}

func (r *replay) take(b []byte) {
	r.t.Helper()
	source, _ := frame.Numbers(b)
	if c := r.keys[source]; c != nil {
		opened, err := c.Open(bytes.Clone(b))
		if err != nil {
			r.t.Errorf("% x: %v", b, err)
			return
		}
		b, r.sealed = opened, true
	}
	again := r.write(b)
	if !bytes.Equal(again, b) {
		r.t.Errorf("%s: % x\nwritten as % x", frame.Summary(b), b, again)
	}
}

// write reads a datagram and gives it as we would write it.
func (r *replay) write(b []byte) []byte {
	switch frame.KindOf(b) {
	case frame.KindFull:
		f, err := frame.ParseFull(b)
		r.must(b, err)
		if f.Type == frame.IAX {
			r.message(f)
		}
		return frame.AppendFull(nil, f)
	case frame.KindMini:
		r.minis = true
		m, err := frame.ParseMini(b)
		r.must(b, err)
		return frame.AppendMini(nil, m)
	case frame.KindTrunk:
		r.trunks = true
		return r.trunk(b)
	}
	r.t.Errorf("of no kind: % x", b)
	return nil
}

func (r *replay) must(b []byte, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("% x: %v", b, err)
	}
}

// message reads elements, writes them and reads them again, and takes the key of
// an encrypted call from the challenge.
func (r *replay) message(f frame.Full) {
	r.calls[f.Command()] = true
	e, err := frame.ParseElements(f.Payload)
	r.must(f.Payload, err)
	if e.Skipped != 0 {
		r.t.Errorf("%s has %d elements that we do not know: % x", f.Command(), e.Skipped, f.Payload)
	}
	again, err := frame.ParseElements(e.Append(nil))
	r.must(f.Payload, err)
	if d := cmp.Diff(e, again, cmpopts.EquateComparable(e.ApparentAddress)); d != "" {
		r.t.Errorf("%s (-first +second):\n%s", f.Command(), d)
	}
	if f.Is(frame.AuthReq) && e.Encryption&frame.AES128 != 0 {
		c := NewCipher(SessionKey(e.Challenge, sharedSecret))
		r.keys[f.Source], r.keys[f.Dest] = c, c
	}
	if f.Is(frame.RtKey) {
		r.keys[f.Source] = NewCipher([KeyLength]byte(e.Challenge))
	}
}

func (r *replay) trunk(b []byte) []byte {
	in, err := frame.ParseTrunk(b)
	r.must(b, err)
	out := frame.AppendTrunk(nil, in.Time, in.Timed)
	for {
		e, more, err := in.Next()
		r.must(b, err)
		if !more {
			return out
		}
		out, _ = frame.AppendEntry(out, e, len(b))
	}
}

// datagrams reads the UDP payloads of a capture of Ethernet frames with IPv4, in
// the classic form of tcpdump with this machine's order of bytes.
func datagrams(t *testing.T, file string) (all [][]byte) {
	t.Helper()
	const fileHeader, packetHeader, headers = 24, 16, 14 + 20 + 8
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for b = b[fileHeader:]; len(b) > 0; {
		if len(b) < packetHeader {
			t.Fatal(errors.New("the capture is cut short"))
		}
		length := binary.LittleEndian.Uint32(b[8:])
		packet := b[packetHeader:][:length]
		all, b = append(all, packet[headers:]), b[packetHeader:][length:]
	}
	return all
}
