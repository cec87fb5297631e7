package kernel

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestSlotSuitsTheProgram: the kernel wants 8-byte numbers at multiples of 8,
// also where this machine's compiler does not.
func TestSlotSuitsTheProgram(t *testing.T) {
	for name, at := range map[string]uintptr{
		"slot": unsafe.Sizeof(slot{}), "counts": unsafe.Offsetof(slot{}.counts),
		"packets": unsafe.Offsetof(counts{}.packets), "octets": unsafe.Offsetof(counts{}.octets), "at": unsafe.Offsetof(counts{}.at),
	} {
		if at%8 != 0 {
			t.Errorf("%s is at %d, no multiple of 8", name, at)
		}
	}
}

func TestDiffIsTheChecksums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 4 * rapid.IntRange(1, 8).Draw(t, "words")
		bytes := rapid.SliceOfN(rapid.Byte(), n, n)
		from, to := bytes.Draw(t, "from"), bytes.Draw(t, "to")
		change := make([]byte, 4)
		binary.NativeEndian.PutUint32(change, diff(from, to))
		got := onesSum(append(append([]byte(nil), from...), change...))
		if want := onesSum(to); got != want && got+want != 0xffff { // both are zero
			t.Fatalf("sum %#x, want %#x", got, want)
		}
	})
}

func newPlainTable() *Table {
	return newTable(testFirst, make([]byte, tableSize(testPairs)*slotSize))
}

// count does what the program does.
func (t *Table) count(port uint16, packets uint64) {
	s := &t.slots[(port-t.first)/2]
	s.counts.packets += packets
	s.counts.highest += uint32(packets)
}

func TestStopKeepsTheCounts(t *testing.T) {
	table := newPlainTable()
	st := local(false)
	c, err := table.carry(st, route{mtu: 1500})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.carry(st, route{mtu: 1500}); err == nil {
		t.Error("a port was carried twice")
	}
	table.count(st.Port, 10)
	c.Stop()
	if _, err := table.carry(st, route{mtu: 1500}); err != nil {
		t.Fatal(err)
	}
	table.count(st.Port, 3)
	c.Stop()
	if got := c.Counts(); got.Packets != 10 || got.Highest != st.Highest+10 || !c.Stopped() {
		t.Errorf("after the stop: %+v", got)
	}
	if n := len(table.carried()); n != 1 {
		t.Errorf("%d streams are carried: the second stop stopped another's", n)
	}
}

// TestAdoption: another process goes on with what says the same, begins anew
// what does not, and stops the rest.
func TestAdoption(t *testing.T) {
	memory := make([]byte, tableSize(testPairs)*slotSize)
	before := newTable(testFirst, memory)
	streams := make([]Stream, 3)
	for i := range streams {
		streams[i] = local(i == 1)
		streams[i].Port = testFirst + uint16(2*i)
		if _, err := before.carry(streams[i], route{ifindex: 3, mtu: 1500}); err != nil {
			t.Fatal(err)
		}
		before.count(streams[i].Port, 5)
	}
	after := newTable(testFirst, memory)
	streams[0].Standing, streams[1].Standing = true, true
	for _, st := range streams {
		found, ok := after.standing(st.Port)
		found.Highest, found.Standing = st.Highest, st.Standing // are not kept
		if d := cmp.Diff(st, found, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); !ok || d != "" {
			t.Errorf("what stands (-want +got):\n%s", d)
		}
	}
	same, err := after.carry(streams[0], route{ifindex: 4, mtu: 1400})
	if err != nil {
		t.Fatal(err)
	}
	if got := same.Counts().Packets; got != 5 {
		t.Errorf("the same stream counts %d packets, want 5", got)
	}
	if s := &after.slots[0]; s.ifindex != 4 || s.longest != 1400 {
		t.Errorf("it leaves by interface %d, %d bytes long", s.ifindex, s.longest)
	}
	changed := streams[1]
	changed.SeqOff++
	if _, err := after.carry(changed, route{ifindex: 3, mtu: 1500}); !errors.Is(err, ErrNotStanding) {
		t.Errorf("a changed stream stands: %v", err)
	}
	changed.Standing = false
	other, err := after.carry(changed, route{ifindex: 3, mtu: 1500})
	if err != nil {
		t.Fatal(err)
	}
	if got := other.Counts(); got.Packets != 0 || got.Highest != changed.Highest {
		t.Errorf("a changed stream counts %+v", got)
	}
	if n := after.disown(); n != 1 || after.slots[2].state != 0 {
		t.Errorf("%d streams stopped, the orphan has state %d", n, after.slots[2].state)
	}
	if after.slots[0].state == 0 || after.slots[1].state == 0 || after.slots[0].state == after.slots[1].state {
		t.Errorf("states %d and %d", after.slots[0].state, after.slots[1].state)
	}
}

func TestStreamsThatCannotBeCarried(t *testing.T) {
	cases := map[string]func(*Stream){
		"IPv4, the other IPv6": func(s *Stream) { s.To = netip.MustParseAddrPort("[2001:db8::7]:5000") },
		"one link only":        func(s *Stream) { s.Remote = netip.MustParseAddrPort("169.254.0.1:5000") },
		"no address of one":    func(s *Stream) { s.Local = netip.IPv4Unspecified() },
		"port 0":               func(s *Stream) { s.To = netip.AddrPortFrom(s.To.Addr(), 0) },
	}
	for words, change := range cases {
		st := local(false)
		change(&st)
		if err := st.check(); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("error %v, want %q in it", err, words)
		}
	}
	st := local(false)
	if err := st.check(); err != nil {
		t.Error(err)
	}
	st.Port = testFirst + 2*testPairs
	if _, err := newPlainTable().carry(st, route{}); err == nil {
		t.Error("a port beyond the range was carried")
	}
}
