package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// hook is the program at one interface.
type hook interface {
	detach() error
}

// attacher puts the program before what interfaces receive: by TCX, whose links
// are pinned, or, on kernels before 6.6, as a clsact filter, which stays by
// itself.
type attacher struct {
	program *ebpf.Program
	folder  string // of pins; empty: none
	classic bool
	handle  uint32 // of filters
}

// attach puts the program at an interface, in place of an earlier process's.
func (a *attacher) attach(ifindex int) (hook, error) {
	if !a.classic {
		h, err := a.tcx(ifindex)
		if !errors.Is(err, ebpf.ErrNotSupported) {
			return h, err
		}
		a.classic = true
	}
	return a.clsact(ifindex)
}

// linkName is a pin's name for an interface.
func linkName(ifindex int) string { return fmt.Sprintf("interface-%d", ifindex) }

type tcx struct{ link.Link }

func (a *attacher) tcx(ifindex int) (hook, error) {
	pin := filepath.Join(a.folder, linkName(ifindex))
	if a.folder != "" {
		if old := a.standing(pin, ifindex); old != nil {
			return old, nil
		}
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: a.program, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return nil, fmt.Errorf("attach to interface %d: %w", ifindex, err)
	}
	if a.folder == "" {
		return tcx{l}, nil
	}
	if err := l.Pin(pin); err != nil {
		return nil, errors.Join(fmt.Errorf("pin %s: %w", pin, err), l.Close())
	}
	return tcx{l}, nil
}

// standing takes the link that an earlier process pinned, with the program of
// this one. One whose interface is gone is removed.
func (a *attacher) standing(pin string, ifindex int) hook {
	l, err := link.LoadPinnedLink(pin, nil)
	if err != nil {
		_ = os.Remove(pin)
		return nil
	}
	info, err := l.Info()
	if err == nil && info.TCX() != nil && int(info.TCX().Ifindex) == ifindex && l.Update(a.program) == nil {
		return tcx{l}
	}
	_ = tcx{l}.detach()
	return nil
}

func (t tcx) detach() error { return errors.Join(ignoreUnpinned(t.Unpin()), t.Close()) }

func ignoreUnpinned(err error) error {
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Numbers of clsact (linux/pkt_sched.h, linux/pkt_cls.h).
const (
	clsactHandle  = 0xffff0000
	clsactParent  = 0xfffffff1
	clsactIngress = 0xfffffff2
	// clsactPriority is the place among other filters: early, and not the first.
	clsactPriority = 7

	attributeKind    = 1
	attributeOptions = 2
	optionFD         = 6
	optionName       = 7
	optionFlags      = 8
	directAction     = 1
)

// clsact is a filter at an interface.
type clsact struct {
	ifindex int
	handle  uint32
}

func (a *attacher) clsact(ifindex int) (hook, error) {
	c := clsact{ifindex, a.handle}
	qdisc := appendAttributes(c.message(clsactHandle, clsactParent, 0), attribute{attributeKind, []byte("clsact\x00")})
	_, err := ask(unix.RTM_NEWQDISC, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL, qdisc, 0)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("add clsact to interface %d: %w", ifindex, err)
	}
	options := appendAttributes(nil,
		attribute{optionFD, word(uint32(a.program.FD()))},
		attribute{optionName, []byte(programName + "\x00")},
		attribute{optionFlags, word(directAction)})
	filter := appendAttributes(c.filter(), attribute{attributeKind, []byte("bpf\x00")}, attribute{attributeOptions, options})
	if _, err := ask(unix.RTM_NEWTFILTER, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_REPLACE, filter, 0); err != nil {
		return nil, fmt.Errorf("add a filter to interface %d: %w", ifindex, err)
	}
	return c, nil
}

// handleOf tells the filters of servers on one machine apart.
func handleOf(c Config) uint32 {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, c.Folder, c.First, c.Last)
	return h.Sum32() | 1
}

// message is a struct tcmsg.
func (c clsact) message(handle, parent, info uint32) []byte {
	b := make([]byte, 4, 64)
	for _, v := range []uint32{uint32(c.ifindex), handle, parent, info} {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

func (c clsact) filter() []byte {
	all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL & 0xff})
	return c.message(c.handle, clsactIngress, clsactPriority<<16|uint32(all))
}

// detach removes the filter; the clsact itself may have become others' as well.
func (c clsact) detach() error {
	filter := appendAttributes(c.filter(), attribute{attributeKind, []byte("bpf\x00")})
	_, err := ask(unix.RTM_DELTFILTER, unix.NLM_F_ACK, filter, 0)
	if err == nil || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return fmt.Errorf("remove the filter of interface %d: %w", c.ifindex, err)
}
