package kernel

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	gocmp "github.com/google/go-cmp/cmp"
)

const typeVLAN = 0x8100 // of Ethernet (IEEE 802.1Q)

// after gives a trial whose packets go through something else first, as through the
// kernel's own handling of VLANs, which not each test machine has.
func (tr trial) after(t *testing.T, first ...asm.Instruction) trial {
	t.Helper()
	next, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Put(uint32(0), tr.program); err != nil {
		t.Fatal(err)
	}
	code := append(asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}, first...)
	code = append(code,
		asm.Mov.Reg(asm.R1, asm.R6), asm.LoadMapPtr(asm.R2, next.FD()), asm.Mov.Imm(asm.R3, 0), asm.FnTailCall.Call(),
		asm.Mov.Imm(asm.R0, 99), asm.Return(),
	)
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, Instructions: code, License: "GPL"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = p.Close(), next.Close() })
	return trial{p, tr.table}
}

// Of what comes by a VLAN, the packet as the cable has it goes up, its tag in its bytes
// or taken out of them by the card; as it comes again from the VLAN's own interface,
// without a tag, it is carried.
func TestVLAN(t *testing.T) {
	tr := newTrial(t)
	tagged := tr.after(t, // as by a card that takes tags out
		asm.Mov.Imm(asm.R2, typeVLAN>>8|typeVLAN&0xff<<8), asm.Mov.Imm(asm.R3, 7), asm.FnSkbVlanPush.Call(),
	)
	untagged := tr.after(t, asm.FnSkbVlanPop.Call()) // as by the VLAN's interface
	for _, six := range []bool{false, true} {
		st := local(six)
		c := carried(t, tr, st, route{mtu: 1500})
		in := datagram{st.Remote, netip.AddrPortFrom(st.Local, st.Port), 64, rtpPacket(true, 96, 100, 160, st.SSRC, make([]byte, 160)), false}
		want := datagram{st.From, st.To, 63, rtpPacket(true, 111, 107, 1160, st.SSRCOut, make([]byte, 160)), false}
		withTag := slices.Insert(in.bytes(), 12, typeVLAN>>8, typeVLAN&0xff, 0, 7)
		if verdict, _ := tr.run(t, withTag, loopback); verdict != notOurs {
			t.Errorf("IPv6 %v, a tag in the bytes: the program says %d", six, verdict)
		}
		if verdict, _ := tagged.run(t, in.bytes(), loopback); verdict != notOurs {
			t.Errorf("IPv6 %v, a tag beside the bytes: the program says %d", six, verdict)
		}
		verdict, got := untagged.run(t, withTag, loopback)
		if verdict != inPlace {
			t.Errorf("IPv6 %v, from the VLAN's interface: the program says %d", six, verdict)
		}
		if d := gocmp.Diff(want.bytes(), got); d != "" {
			t.Errorf("IPv6 %v: packet (-want +got):\n%s", six, d)
		}
		c.Stop()
	}
}
