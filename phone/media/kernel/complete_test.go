package kernel

import (
	"net"
	"os/exec"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// TestSumOfAllBytes: packets that come with the sum of all their bytes
// (CHECKSUM_COMPLETE), as some cards give it. Here the kernel itself does, having summed
// up what a tunnel carries to check the outer packet.
func TestSumOfAllBytes(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	left, right := side{newElsewhere(t), "100"}, side{newElsewhere(t), "101"}
	left.tunnel(t, "left")
	right.cable(t, "right", right.network, 0)
	r, err := Open(Config{First: testFirst, Last: testFirst + 2*testPairs - 1, Classic: true, Folder: bpfFolder(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer closeRelay(t, r)
	summed := countSummed(t, "tunnel") // the latest filter is the first to run
	const packets = 7                  // of throughBoth
	for i, six := range []bool{false, true} {
		r.throughBoth(t, left, right, six)
		r.throughBoth(t, right, left, six)
		if got, want := summed(), (i+1)*packets; got < want {
			t.Errorf("IPv6 %v: %d packets came with the sum of their bytes, want %d", six, got, want)
		}
	}
}

// tunnel joins the namespace with this one by VXLAN over a cable, whose ends leave it
// to the receiver to check sums.
func (s side) tunnel(t *testing.T, name string) {
	t.Helper()
	const under = "110"
	if out, err := exec.Command("ip", "link", "add", "probe", "type", "vxlan", "id", "1", "dstport", "4789").CombinedOutput(); err != nil {
		t.Skipf("this kernel has no VXLAN: %s", out)
	}
	ip(t, "link", "del", "probe")
	s.cable(t, name, under, 0)
	lay := func(cable, here, there, host string) {
		if out, err := exec.Command("ethtool", "-K", cable, "tx", "off").CombinedOutput(); err != nil {
			t.Errorf("ethtool: %v\n%s", err, out)
		}
		ip(t, "link", "add", "tunnel", "type", "vxlan", "id", "7", "dstport", "4789", "udpcsum", "local", here, "remote", there)
		end(t, "tunnel", s.network, host, 0)
	}
	a, b := side{network: under}.host(false, "1"), side{network: under}.host(false, "2")
	lay(name, a, b, "1")
	s.do(func() { lay(name+"x", b, a, "2") })
}

// countSummed counts the packets that an interface receives with the sum of their
// bytes: to others the kernel adds nothing.
func countSummed(t *testing.T, name string) func() int {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "MIT", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R2, 0), asm.FnCsumUpdate.Call(), asm.JSLT.Imm(asm.R0, 0, up),
		asm.StoreImm(asm.R10, onKey, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, m.FD()), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, onKey),
		asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, up),
		asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, notOurs).WithSymbol(up), asm.Return(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	a := attacher{program: p, classic: true, handle: unix.ETH_P_ALL}
	if _, err := a.attach(i.Index); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = p.Close(), m.Close() })
	return func() (n int) {
		var v uint64
		if err := m.Lookup(uint32(0), &v); err != nil {
			t.Fatal(err)
		}
		return int(v)
	}
}
