package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// faxAt is the body of a phone that takes a fax at a port (T.38 annex D).
func faxAt(port int) string {
	return fmt.Sprintf(`Content-Type: application/sdp

v=0
o=- 1 2 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=image %d udptl t38
a=T38FaxVersion:0
a=T38MaxBitRate:14400
a=T38FaxRateManagement:transferredTCF
a=T38FaxMaxBuffer:262
a=T38FaxMaxDatagram:300
a=T38FaxUdpEC:t38UDPRedundancy`, port)
}

// A fax machine calls another: a call with sound, which the one that is called
// changes to T.38 (as those do that hear the calling tone), then a page, then the
// end. What the machines say to each other is spandsp's, the call's is SIPp's.
func TestFaxPageOverT38(t *testing.T) {
	t.Parallel()
	machine := peer.NewFaxMachine(t)
	s := startServer(t, people(ada, bob))
	portA, portB, at := peer.FreePort(t), peer.FreePort(t), peer.FreePort(t)
	s.registered(t, bob, at, "")
	called := peer.NewScript()
	in := called.Incoming("in")
	in.Receive("INVITE")
	in.Respond("200 OK", "INVITE", peer.Sound)
	in.Receive("ACK")
	in.Send("INVITE", faxAt(portB))
	in.Receive("200", called.Read(`m=image ([0-9]+) udptl`, "line", "port"), called.Say("fax to [$port] ."))
	in.Send("ACK")
	in.Receive("BYE")
	in.Respond("200 OK", "BYE")
	b := s.runLogged(t, "called fax", called, at)
	calling := peer.NewScript()
	out := calling.Talk("out", s.uri(ada), s.uri(bob))
	out.Send("INVITE", s.proof(t, ada, "INVITE", s.uri(bob)), peer.Sound)
	out.Receive("200")
	out.Send("ACK")
	out.Receive("INVITE", calling.Read(`m=image ([0-9]+) udptl`, "line", "port"), calling.Check("T38FaxRateManagement:transferredTCF"),
		calling.Say("fax to [$port] ."))
	out.Respond("200 OK", "INVITE", faxAt(portA))
	out.Receive("ACK")
	calling.AwaitCue()
	out.Send("BYE")
	out.Receive("200")
	from := peer.FreePort(t)
	a := s.runLogged(t, "calling fax", calling, from)

	page := filepath.Join(t.TempDir(), "page.tif")
	if err := os.WriteFile(page, faxPage(faxRows), 0o600); err != nil {
		t.Fatal(err)
	}
	receiver := machine.Start(t, "receive", portB, b.port(t), filepath.Join(t.TempDir(), "got.tif"))
	sender := machine.Start(t, "send", portA, a.port(t), page)
	var pages []string
	for _, f := range []*peer.Process{sender, receiver} {
		peer.AwaitSuccess(t, f, peer.FaxPatience)
		pages = append(pages, f.Await(t, "page of "))
	}
	if pages[0] != pages[1] || !strings.HasPrefix(pages[0], fmt.Sprintf("page of %d rows", faxRows)) {
		t.Errorf("sent a %s, got a %s", pages[0], pages[1])
	}
	peer.Cue(t, "calling fax", from)
	peer.AwaitSuccess(t, a.Process, peer.Patience)
	peer.AwaitSuccess(t, b.Process, peer.Patience)
	s.awaitNoCalls(t)
}

// scripted is a SIPp that keeps a log of what its script says.
type scripted struct {
	*peer.Process
	log string
}

// runLogged is run with such a log.
func (s *server) runLogged(t *testing.T, name string, script *peer.Script, port int) scripted {
	t.Helper()
	log := filepath.Join(t.TempDir(), "script.log")
	return scripted{s.run(t, name, script, port, "-trace_logs", "-log_file", log), log}
}

// port waits for the port that the script was told.
func (r scripted) port(t *testing.T) int {
	t.Helper()
	awaitText(t, r.log, " .", peer.Patience)
	text, err := os.ReadFile(r.log)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`fax to (\d+) \.`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no port in %q", text)
	}
	n, _ := strconv.Atoi(string(found[1])) // digits alone
	return n
}

// A fax page is faxWidth pixels wide (T.4 2.2) at 204 x 98 dots an inch.
const (
	faxWidth = 1728
	faxRows  = 300
)

// faxPage is a TIFF file (TIFF 6.0) of one page of a test pattern, one bit a pixel,
// not compressed.
func faxPage(rows int) []byte {
	const short, long, rational = 3, 4, 5
	type tag struct {
		id, kind uint16
		count    uint32
		value    uint32
	}
	pixels := faxPattern(rows)
	const head = 8
	resolutions := uint32(head + len(pixels))
	directory := resolutions + 16
	tags := []tag{
		{256, long, 1, faxWidth},
		{257, long, 1, uint32(rows)},
		{258, short, 1, 1},
		{259, short, 1, 1}, // no compression
		{262, short, 1, 0}, // 0 is white
		{273, long, 1, head},
		{277, short, 1, 1},
		{278, long, 1, uint32(rows)},
		{279, long, 1, uint32(len(pixels))},
		{282, rational, 1, resolutions},
		{283, rational, 1, resolutions + 8},
		{296, short, 1, 2}, // inches
	}
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a Buffer never fails
	b.WriteString("II")
	put(uint16(42))
	put(directory)
	b.Write(pixels)
	put([]uint32{204, 1, 98, 1})
	put(uint16(len(tags)))
	put(tags)
	put(uint32(0))
	return b.Bytes()
}

// faxPattern has bars that grow, so that each row says something.
func faxPattern(rows int) []byte {
	pixels := make([]byte, rows*faxWidth/8)
	for row := range rows {
		for x := range faxWidth / 8 {
			if x%(2+row/30) == 0 {
				pixels[row*faxWidth/8+x] = 0xF0
			}
		}
	}
	return pixels
}
