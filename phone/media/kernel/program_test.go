package kernel

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

const (
	testFirst = 20000
	testPairs = 8
)

// trial is the program and its map, without an interface.
type trial struct {
	program *ebpf.Program
	table   *Table
}

func newTrial(t *testing.T) trial {
	t.Helper()
	if err := Try(); err != nil {
		t.Skipf("needs a kernel that takes the program: %v", err)
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Type: ebpf.Array, KeySize: 4, ValueSize: uint32(slotSize),
		MaxEntries: uint32(tableSize(testPairs)), Flags: unix.BPF_F_MMAPABLE,
	})
	if err != nil {
		t.Fatal(err)
	}
	memory, err := mapped(m, tableSize(testPairs)*slotSize)
	if err != nil {
		t.Fatal(err)
	}
	p, err := load(testFirst, testPairs, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = p.Close(), m.Close()
	})
	table := newTable(testFirst, memory)
	table.live(monotonic())
	return trial{p, table}
}

// context is struct __sk_buff as far as BPF_PROG_TEST_RUN takes it.
type context struct {
	Before  [40]byte
	Ifindex uint32
	After   [148]byte
}

// run gives what the program says to a packet that came by an interface.
func (tr trial) run(t interface{ Fatal(...any) }, packet []byte, ifindex int) (verdict int32, out []byte) {
	out = make([]byte, len(packet)+64)
	opts := ebpf.RunOptions{Data: packet, DataOut: out, Context: context{Ifindex: uint32(ifindex)}, Repeat: 1}
	got, err := tr.program.Run(&opts)
	if err != nil {
		t.Fatal(err)
	}
	return int32(got), opts.DataOut
}

// datagram is a UDP datagram in an Ethernet frame.
type datagram struct {
	from, to netip.AddrPort
	hops     uint8
	payload  []byte
	noSum    bool // IPv4 alone may go without
}

func (d datagram) bytes() []byte {
	ether := append(make([]byte, 12), 0x08, 0x00)
	both := ports(d.from.Port(), d.to.Port())
	udp := append(both[:], 0, 0, 0, 0)
	udp = append(udp, d.payload...)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	pseudo := append(d.from.Addr().AsSlice(), d.to.Addr().AsSlice()...)
	pseudo = append(pseudo, 0, protocolUDP, udp[4], udp[5])
	if sum := onesSum(append(pseudo, udp...)); !d.noSum {
		binary.BigEndian.PutUint16(udp[6:], cmp.Or(^sum, 0xffff))
	}
	if d.from.Addr().Is6() {
		ether[12], ether[13] = 0x86, 0xdd
		ip := []byte{0x60, 0, 0, 0, udp[4], udp[5], protocolUDP, d.hops}
		ip = append(append(ip, d.from.Addr().AsSlice()...), d.to.Addr().AsSlice()...)
		return append(append(ether, ip...), udp...)
	}
	ip := []byte{0x45, 0xb8, 0, 0, 1, 2, 0x40, 0, d.hops, protocolUDP, 0, 0}
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(udp)))
	ip = append(append(ip, d.from.Addr().AsSlice()...), d.to.Addr().AsSlice()...)
	binary.BigEndian.PutUint16(ip[10:], ^onesSum(ip))
	return append(append(ether, ip...), udp...)
}

// onesSum is the sum of the internet checksum (RFC 1071).
func onesSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		v := uint32(b[i]) << 8
		if i+1 < len(b) {
			v |= uint32(b[i+1])
		}
		sum += v
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

func rtpPacket(marker bool, pt uint8, seq uint16, time, ssrc uint32, payload []byte) []byte {
	b := []byte{0x80, pt, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], time)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return append(b, payload...)
}

// extendedBy puts CSRC and, if wanted, an extension into a packet (RFC 3550 5.3.1).
func extendedBy(b []byte, sources, extensions int, extension []byte) []byte {
	out := append(bytes.Clone(b[:rtpLen]), make([]byte, 4*sources)...)
	out[0] |= byte(sources) | byte(extensions)<<4
	if extensions > 0 {
		out = append(out, 0xbe, 0xde, byte(len(extension)/4>>8), byte(len(extension)/4))
		out = append(out, extension...)
	}
	return append(out, b[rtpLen:]...)
}

// local is a stream between two programs of this machine.
func local(six bool) Stream {
	us, a, b := "198.51.100.1", "198.51.100.2", "198.51.100.3"
	if six {
		us, a, b = "2001:db8::1", "2001:db8::2", "2001:db8::3"
	}
	return Stream{
		Port: testFirst + 2, Local: netip.MustParseAddr(us), Remote: netip.AddrPortFrom(netip.MustParseAddr(a), 4000),
		From: netip.AddrPortFrom(netip.MustParseAddr(us), testFirst+6), To: netip.AddrPortFrom(netip.MustParseAddr(b), 5000),
		SSRC: 0x01020304, SSRCOut: 0xa1b2c3d4, SeqOff: 7, TimeOff: 1000,
		Payloads: []Payload{{0, 0}, {96, 111}}, Clock: 8000, Highest: 99,
	}
}

func carried(t *testing.T, tr trial, st Stream, out route) *Carried {
	t.Helper()
	c, err := tr.table.carry(st, out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// TestRewritesEveryPacket: what leaves is what the process would have sent, to
// the last bit of both checksums.
func TestRewritesEveryPacket(t *testing.T) {
	tr := newTrial(t)
	rapid.Check(t, func(t *rapid.T) {
		addr := func(six bool, name string) netip.Addr {
			if six {
				b := rapid.SliceOfN(rapid.Byte(), 14, 14).Draw(t, name)
				return netip.AddrFrom16([16]byte(append([]byte{0x20, 0x01}, b...)))
			}
			b := rapid.SliceOfN(rapid.Byte(), 3, 3).Draw(t, name)
			return netip.AddrFrom4([4]byte{10, b[0], b[1], b[2]})
		}
		six := rapid.Bool().Draw(t, "IPv6")
		us, port := addr(six, "ours"), rapid.Uint16Range(1, 65535)
		st := Stream{
			Port: testFirst, Local: us, Remote: netip.AddrPortFrom(addr(six, "sender"), port.Draw(t, "sender's port")),
			From: netip.AddrPortFrom(us, testFirst+2), To: netip.AddrPortFrom(addr(six, "receiver"), port.Draw(t, "receiver's port")),
			SSRC: rapid.Uint32().Draw(t, "SSRC"), SSRCOut: rapid.Uint32().Draw(t, "SSRC out"),
			SeqOff: rapid.Uint16().Draw(t, "sequence offset"), TimeOff: rapid.Uint32().Draw(t, "time offset"),
			Payloads: []Payload{{rapid.Uint8Range(0, 63).Draw(t, "type"), rapid.Uint8Range(0, 127).Draw(t, "type out")}},
			Clock:    8000, Highest: rapid.Uint32().Draw(t, "highest"),
		}
		c, err := tr.table.carry(st, route{mtu: 1500})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Stop()
		marker, time := rapid.Bool().Draw(t, "marker"), rapid.Uint32().Draw(t, "time")
		ahead := rapid.IntRange(1-maxMisorder, maxDropout-1).Draw(t, "ahead")
		seq := uint16(int(st.Highest) + ahead)
		payload := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "payload")
		noSum := !six && rapid.Bool().Draw(t, "no checksum")
		sources, extensions := rapid.IntRange(0, 15).Draw(t, "CSRC"), rapid.IntRange(0, 1).Draw(t, "extensions")
		extension := make([]byte, 4*rapid.IntRange(0, 20).Draw(t, "words of extension"))
		more := func(b []byte) []byte { return extendedBy(b, sources, extensions, extension) }
		in := datagram{st.Remote, netip.AddrPortFrom(us, st.Port), 64, more(rtpPacket(marker, st.Payloads[0].In, seq, time, st.SSRC, payload)), noSum}
		want := datagram{st.From, st.To, 63, more(rtpPacket(marker, st.Payloads[0].Out, seq+st.SeqOff, time+st.TimeOff, st.SSRCOut, payload)), noSum}

		verdict, got := tr.run(t, in.bytes(), loopback)
		if verdict != inPlace {
			t.Fatalf("the program says %d", verdict)
		}
		if d := gocmp.Diff(want.bytes(), got); d != "" {
			t.Fatalf("packet (-want +got):\n%s", d)
		}
		counts := c.Counts()
		if counts.Packets != 1 || counts.Octets != uint64(len(payload)) {
			t.Fatalf("counted %+v, want 1 packet of %d", counts, len(payload))
		}
		if highest := st.Highest + uint32(max(ahead, 0)); counts.Highest != highest || counts.Base != st.Highest {
			t.Fatalf("highest %d of base %d, want %d of %d", counts.Highest, counts.Base, highest, st.Highest)
		}
		if holed := ahead > 1; counts.Runs > 1 || (counts.Runs == 1) != holed {
			t.Fatalf("%d holes counted", counts.Runs)
		}
		if ahead > 0 && (counts.Time != time || counts.At == 0) {
			t.Fatalf("foremost packet's time is %d at %d, want %d", counts.Time, counts.At, time)
		}
	})
}

// TestGoesUp: what is not plainly the stream's is left to the process, as it
// came.
func TestGoesUp(t *testing.T) {
	tr := newTrial(t)
	for _, six := range []bool{false, true} {
		st := local(six)
		ip, udp := 14, 34
		if six {
			udp = 54
		}
		rtp := udp + 8
		c := carried(t, tr, st, route{mtu: 300})
		good := datagram{st.Remote, netip.AddrPortFrom(st.Local, st.Port), 64, rtpPacket(false, 0, 100, 160, st.SSRC, make([]byte, 160)), false}
		change := func(at int, v byte) []byte {
			b := good.bytes()
			b[at] = v
			return b
		}
		with := func(f func(*datagram)) []byte {
			d := good
			d.payload = bytes.Clone(d.payload)
			f(&d)
			return d.bytes()
		}
		cases := map[string][]byte{
			"another address":   with(func(d *datagram) { d.from = netip.AddrPortFrom(st.To.Addr(), 4000) }),
			"another port":      with(func(d *datagram) { d.from = netip.AddrPortFrom(st.Remote.Addr(), 4002) }),
			"to another host":   with(func(d *datagram) { d.to = netip.AddrPortFrom(st.To.Addr(), st.Port) }),
			"RTCP's port":       with(func(d *datagram) { d.to = netip.AddrPortFrom(st.Local, st.Port+1) }),
			"a port that rests": with(func(d *datagram) { d.to = netip.AddrPortFrom(st.Local, testFirst+4) }),
			"below the range":   with(func(d *datagram) { d.to = netip.AddrPortFrom(st.Local, testFirst-2) }),
			"above the range":   with(func(d *datagram) { d.to = netip.AddrPortFrom(st.Local, testFirst+2*testPairs) }),
			"last hop":          with(func(d *datagram) { d.hops = 1 }),
			"too long":          with(func(d *datagram) { d.payload = append(d.payload, make([]byte, 200)...) }),
			"no RTP":            with(func(d *datagram) { d.payload = d.payload[:11] }),
			"telephone event":   change(rtp+1, 101),
			"RTCP":              change(rtp+1, 200),
			"padding":           change(rtp, 0xa0),
			"a long extension":  with(func(d *datagram) { d.payload = extendedBy(d.payload, 0, 1, make([]byte, 4)); d.payload[15] = 42 }),
			"an endless one":    with(func(d *datagram) { d.payload = extendedBy(d.payload, 0, 1, make([]byte, 4)); d.payload[14] = 0xff }),
			"half an extension": with(func(d *datagram) { d.payload = extendedBy(d.payload, 0, 1, nil)[:14] }),
			"too many CSRC":     with(func(d *datagram) { d.payload = extendedBy(d.payload, 15, 0, nil)[:12+4*15-1] }),
			"STUN":              change(rtp, 0x00),
			"another SSRC":      change(rtp+11, 9),
			"a jump":            change(rtp+2, 0x20),
			"a jump back":       change(rtp+2, 0xff),
			"wrong UDP length":  change(udp+5, 60),
			"wrong IP length":   change(ip+3+map[bool]int{true: 2}[six], 60),
			"TCP":               change(map[bool]int{false: ip + 9, true: ip + 6}[six], 6),
			"ARP":               change(13, 0x06),
			"a tag inside":      change(12, 0x81),
		}
		if !six {
			cases["a fragment"] = change(ip+7, 1)
			cases["options"] = change(ip, 0x46)
		}
		for name, packet := range cases {
			verdict, got := tr.run(t, packet, loopback)
			if verdict != notOurs {
				t.Errorf("%s, IPv6 %v: the program says %d", name, six, verdict)
			}
			if !bytes.Equal(packet, got) {
				t.Errorf("%s, IPv6 %v: was changed", name, six)
			}
		}
		if n := c.Counts().Packets; n != 0 {
			t.Errorf("%d packets were counted", n)
		}
		if verdict, _ := tr.run(t, good.bytes(), loopback); verdict != inPlace {
			t.Errorf("the good packet: the program says %d", verdict)
		}
		tr.table.live(monotonic() - abandonedAfter - time.Minute)
		if verdict, _ := tr.run(t, good.bytes(), loopback); verdict != notOurs {
			t.Errorf("the process is long gone: the program says %d", verdict)
		}
		tr.table.live(monotonic())
		c.Stop()
		if verdict, _ := tr.run(t, good.bytes(), loopback); verdict != notOurs {
			t.Errorf("stopped: the program says %d", verdict)
		}
	}
}

// TestSimulatedIsTheProgram: whatever RTP comes, the twin that other packages are
// tested with says what the program says, and counts the same.
func TestSimulatedIsTheProgram(t *testing.T) {
	tr := newTrial(t)
	rapid.Check(t, func(t *rapid.T) {
		twin := NewSimulated(testFirst, testPairs, monotonic)
		st := local(rapid.Bool().Draw(t, "IPv6"))
		ours, err := tr.table.carry(st, route{mtu: 1500})
		if err != nil {
			t.Fatal(err)
		}
		defer ours.Stop()
		theirs, err := twin.Carry(st)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 20).Draw(t, "packets") {
			b := rtpPacket(rapid.Bool().Draw(t, "marker"), rapid.SampledFrom([]uint8{0, 96, 101, 72}).Draw(t, "type"),
				rapid.Uint16Range(0, 4000).Draw(t, "sequence"), rapid.Uint32().Draw(t, "time"),
				rapid.SampledFrom([]uint32{st.SSRC, 7}).Draw(t, "SSRC"), rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "payload"))
			b[0] = rapid.SampledFrom([]byte{0x80, 0x80, 0x80, 0x90, 0x91, 0x82, 0xa0, 0x00}).Draw(t, "first byte")
			in := datagram{st.Remote, netip.AddrPortFrom(st.Local, st.Port), 64, b, false}
			verdict, got := tr.run(t, in.bytes(), loopback)
			out, to, ok := twin.Pass(st.Port, st.Remote, b)
			if ok != (verdict == inPlace) {
				t.Fatalf("% x: the program says %d, the twin %v", b, verdict, ok)
			}
			if want := (datagram{st.From, to, 63, out, false}); ok && !bytes.Equal(want.bytes(), got) {
				t.Fatalf("the program sends % x, the twin % x", got, want.bytes())
			}
		}
		a, b := ours.Counts(), theirs.Counts()
		if a.Packets != b.Packets || a.Octets != b.Octets || a.Highest != b.Highest || a.Time != b.Time || a.Runs != b.Runs {
			t.Fatalf("the program counts %+v, the twin %+v", a, b)
		}
	})
}

// TestLeavesByAnInterface: the packet is changed in the same way and redirected,
// unless it came by the loopback.
func TestLeavesByAnInterface(t *testing.T) {
	tr := newTrial(t)
	const redirected = 7 // TC_ACT_REDIRECT
	st := local(false)
	carried(t, tr, st, route{ifindex: 7, mtu: 1500})
	in := datagram{st.Remote, netip.AddrPortFrom(st.Local, st.Port), 64, rtpPacket(true, 96, 100, 160, st.SSRC, make([]byte, 160)), false}
	want := datagram{st.From, st.To, 63, rtpPacket(true, 111, 107, 1160, st.SSRCOut, make([]byte, 160)), false}
	if verdict, _ := tr.run(t, in.bytes(), loopback); verdict != notOurs {
		t.Errorf("by the loopback: the program says %d", verdict)
	}
	other := anInterface(t)
	ours := copyOver(in.bytes(), other.HardwareAddr) // else it is for another machine
	verdict, got := tr.run(t, ours, other.Index)
	if verdict != redirected {
		t.Errorf("the program says %d, want %d", verdict, redirected)
	}
	if d := gocmp.Diff(copyOver(want.bytes(), other.HardwareAddr), got); d != "" {
		t.Errorf("packet (-want +got):\n%s", d)
	}
}

// anInterface is one beside the loopback.
func anInterface(t *testing.T) net.Interface {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Index != loopback && len(i.HardwareAddr) == etherAddrLen {
			return i
		}
	}
	t.Skip("this machine has no interface but the loopback")
	return net.Interface{}
}

// copyOver puts bytes over the beginning of others.
func copyOver(b, start []byte) []byte {
	copy(b, start)
	return b
}

// TestJitterIsRFC3550s: packets that come all at once though their times are 20
// ms apart have a jitter that grows towards that.
func TestJitterIsRFC3550s(t *testing.T) {
	tr := newTrial(t)
	st := local(false)
	c := carried(t, tr, st, route{mtu: 1500})
	want := uint32(0)
	for i := range uint32(50) {
		in := datagram{st.Remote, netip.AddrPortFrom(st.Local, st.Port), 64, rtpPacket(false, 0, uint16(100+i), i*8000, st.SSRC, nil), false}
		if verdict, _ := tr.run(t, in.bytes(), loopback); verdict != inPlace {
			t.Fatalf("the program says %d", verdict)
		}
		if i > 0 {
			want += 8000 - (want+8)>>4
		}
	}
	// A second of RTP time a packet: the time that the test itself takes is small
	// against it.
	if got := c.Counts().Jitter; got > want || got < want*9/10 {
		t.Errorf("jitter %d, want a little under %d", got, want)
	}
}
