package kernel

import (
	"time"
	"unsafe"

	"github.com/cilium/ebpf/asm"
)

// abandonedAfter is how long packets are carried for a process that is gone.
// It is longer than any restart, and short enough that phones whose server was
// taken away do not talk on for ever, unseen by anybody.
const abandonedAfter = 10 * time.Minute

// Bounds of RFC 3550 A.1, as package media has them: what jumps further is the
// process's business.
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// What the program says to the kernel: the same numbers for TCX and clsact.
const (
	notOurs = -1 // the next program, and at last the process
	inPlace = 0  // rewritten: up to whoever has that address here
)

// Offsets of struct __sk_buff (linux/bpf.h).
const (
	skbLen         = 0
	skbPktType     = 4
	skbProtocol    = 16
	skbVLANPresent = 20
	skbIfindex     = 40
	skbData        = 76
	skbDataEnd     = 80
	skbGSOSize     = 176
)

// Lengths and numbers of headers.
const (
	etherLen    = 14
	udpLen      = 8
	rtpLen      = 12
	protocolUDP = 17
	loopback    = 1    // ifindex of lo in every namespace
	fixedRTP    = 0xe0 // of the first byte: version and padding
	plainRTP    = 0x80 // of these: version 2, without padding
	extended    = 0x10 // of the first byte: an extension
	sources     = 0x0f // of the first byte: how many CSRC
	lengthAt    = 2    // of an extension, in words, without its first one
	firstRTCP   = 192  // of the second byte (RFC 5761 4)
	lastRTCP    = 223
)

// Flags of bpf_l4_csum_replace.
const (
	csumPseudo  = 0x10
	csumMangled = 0x20 // leave a UDP checksum of 0 alone, and make none
)

// Where values wait on the stack.
const (
	onKey    = -4  // of a lookup
	onState  = -8  // of the slot when it was first read
	onRTP    = -24 // the new RTP header, 12 bytes
	onPorts  = -28
	onAddrs  = -64 // 32 bytes
	onPseudo = -68
	onHead   = -72
	onOut    = -76 // ifindex
	onDiff   = -80 // of ports and RTP header
	onTotal  = -84 // length of the IP packet
	onAhead  = -88
	onTime   = -92
	onNow    = -104
	onRest   = -108 // bytes of CSRC and extension
	onExtent = -112 // length of the extension
)

// family is where things lie in a packet of one IP version.
type family struct {
	name      string
	number    int32
	etherType int32
	udp       int16 // offset of the UDP header
	addrs     int16 // of source and destination
	words     int16 // of 4 bytes in both
	hops      int16
	total     int16 // of the length
	added     int32 // to the length, for the whole IP packet
}

func (f family) rtp() int16     { return f.udp + udpLen }
func (f family) headers() int32 { return int32(f.rtp()) + rtpLen }

var (
	ip4 = family{"4", 4, 0x0800, etherLen + 20, etherLen + 12, 2, etherLen + 8, etherLen + 2, 0}
	ip6 = family{"6", 6, 0x86dd, etherLen + 40, etherLen + 8, 8, etherLen + 7, etherLen + 4, 40}
)

// up is where packets go that are left to the process.
const up = "up"

// program assembles what runs for each packet that an interface receives. R6 is
// the packet, R7 its bytes, R9 its slot.
//
//	VLAN tag, segments, other's -> up      tagged packets come again, without
//	                                       the tag, from the VLAN's interface
//	IP without options, whole, UDP to an even port of the range
//	slot: carried, from whom, to which address, SSRC, payload type
//	RTP header: CSRC and extension within the packet, no padding; sequence goes on
//	the process was alive in the last ten minutes
//	count; rewrite header and checksums; redirect
func program(first uint16, pairs, table int) asm.Instructions {
	b := &builder{first: int32(first), pairs: int32(pairs), table: table}
	b.add(
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R1, asm.R6, skbVLANPresent, asm.Word), asm.JNE.Imm(asm.R1, 0, up),
		asm.LoadMem(asm.R1, asm.R6, skbGSOSize, asm.Word), asm.JNE.Imm(asm.R1, 0, up),
		asm.LoadMem(asm.R1, asm.R6, skbPktType, asm.Word), asm.JNE.Imm(asm.R1, 0, up), // not to this machine
		asm.LoadMem(asm.R1, asm.R6, skbProtocol, asm.Word),
		asm.HostTo(asm.BE, asm.R1, asm.Half),
		asm.JEq.Imm(asm.R1, ip4.etherType, ip4.name),
		asm.JEq.Imm(asm.R1, ip6.etherType, ip6.name),
		asm.Ja.Label(up),
	)
	for _, f := range []family{ip4, ip6} {
		b.enter(f)
		b.find(f)
		b.match(f)
		b.follow(f)
		b.header(f)
		b.count(f)
		b.rewrite(f)
		b.leave(f)
	}
	b.add(asm.Mov.Imm(asm.R0, notOurs).WithSymbol(up), asm.Return())
	return b.code
}

type builder struct {
	first, pairs int32
	table        int // descriptor of the map
	code         asm.Instructions
	symbol       string // of the next instruction
}

func (b *builder) add(code ...asm.Instruction) {
	if b.symbol != "" {
		code[0], b.symbol = code[0].WithSymbol(b.symbol), ""
	}
	b.code = append(b.code, code...)
}

// mark names the next instruction.
func (b *builder) mark(symbol string) { b.symbol = symbol }

// bytes loads where the packet lies, and goes elsewhere when it is not there up
// to the end of the RTP header.
func (b *builder) bytes(f family, missing string) {
	b.add(
		asm.LoadMem(asm.R7, asm.R6, skbData, asm.Word),
		asm.LoadMem(asm.R8, asm.R6, skbDataEnd, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.Add.Imm(asm.R1, f.headers()),
		asm.JGT.Reg(asm.R1, asm.R8, missing),
	)
}

// enter gets the headers into one piece and looks at the IP header.
func (b *builder) enter(f family) {
	b.mark(f.name)
	b.bytes(f, "pull"+f.name)
	b.add(asm.Ja.Label("have" + f.name))
	b.mark("pull" + f.name)
	b.add(
		asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Imm(asm.R2, f.headers()),
		asm.FnSkbPullData.Call(), asm.JNE.Imm(asm.R0, 0, up),
	)
	b.bytes(f, up)
	b.mark("have" + f.name)
	if f.number == 4 {
		b.add(
			asm.LoadMem(asm.R1, asm.R7, etherLen, asm.Byte), asm.JNE.Imm(asm.R1, 0x45, up),
			asm.LoadMem(asm.R1, asm.R7, etherLen+6, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half),
			asm.And.Imm(asm.R1, 0x3fff), asm.JNE.Imm(asm.R1, 0, up), // a fragment
			asm.LoadMem(asm.R1, asm.R7, etherLen+9, asm.Byte), asm.JNE.Imm(asm.R1, protocolUDP, up),
		)
	} else {
		b.add(
			asm.LoadMem(asm.R1, asm.R7, etherLen, asm.Byte), asm.RSh.Imm(asm.R1, 4), asm.JNE.Imm(asm.R1, 6, up),
			asm.LoadMem(asm.R1, asm.R7, etherLen+6, asm.Byte), asm.JNE.Imm(asm.R1, protocolUDP, up),
		)
	}
	b.add(asm.LoadMem(asm.R1, asm.R7, f.hops, asm.Byte), asm.JLE.Imm(asm.R1, 1, up)) // so no loop lasts
}

// find looks up the slot of the port, into R9.
func (b *builder) find(f family) {
	b.add(
		asm.LoadMem(asm.R1, asm.R7, f.udp+2, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half),
		asm.Mov.Reg(asm.R2, asm.R1), asm.And.Imm(asm.R2, 1), asm.JNE.Imm(asm.R2, 0, up),
		asm.JLT.Imm(asm.R1, b.first, up),
		asm.Sub.Imm(asm.R1, b.first), asm.RSh.Imm(asm.R1, 1),
		asm.JGE.Imm(asm.R1, b.pairs, up),
		asm.StoreMem(asm.R10, onKey, asm.R1, asm.Word),
	)
	b.lookup()
	b.add(
		asm.Mov.Reg(asm.R9, asm.R0),
		b.load(asm.R1, unsafe.Offsetof(slot{}.state)), asm.JEq.Imm(asm.R1, 0, up),
		asm.StoreMem(asm.R10, onState, asm.R1, asm.Word),
	)
}

// lookup gives the element of the key on the stack in R0.
func (b *builder) lookup() {
	b.add(
		asm.LoadMapPtr(asm.R1, b.table),
		asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, onKey),
		asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, up),
	)
}

// load reads a word of the slot.
func (b *builder) load(to asm.Register, field uintptr) asm.Instruction {
	return asm.LoadMem(to, asm.R9, int16(field), asm.Word)
}

// match compares the packet with the slot.
func (b *builder) match(f family) {
	b.add(b.load(asm.R1, unsafe.Offsetof(slot{}.family)), asm.JNE.Imm(asm.R1, f.number, up))
	same := func(at int16, field uintptr) {
		b.add(asm.LoadMem(asm.R1, asm.R7, at, asm.Word), b.load(asm.R2, field), asm.JNE.Reg(asm.R1, asm.R2, up))
	}
	for i := range f.words {
		same(f.addrs+4*i, unsafe.Offsetof(slot{}.comes)+uintptr(4*i))
	}
	same(f.udp, unsafe.Offsetof(slot{}.comesPorts))
	same(f.rtp()+8, unsafe.Offsetof(slot{}.ssrc))
	b.lengths(f)
	b.add(
		// Who is on this machine is reached by the loopback, where a packet has
		// its way already and cannot be redirected.
		b.load(asm.R1, unsafe.Offsetof(slot{}.ifindex)),
		asm.StoreMem(asm.R10, onOut, asm.R1, asm.Word),
		asm.LoadMem(asm.R2, asm.R6, skbIfindex, asm.Word),
		asm.JEq.Imm(asm.R1, 0, "local"+f.name),
		asm.JEq.Imm(asm.R2, loopback, up),
		asm.Ja.Label("way"+f.name),
		asm.JNE.Imm(asm.R2, loopback, up).WithSymbol("local"+f.name),
	)
	b.mark("way" + f.name)
}

// lengths checks that IP and UDP agree on the length, and that it fits.
func (b *builder) lengths(f family) {
	b.add(
		asm.LoadMem(asm.R1, asm.R7, f.total, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half),
		asm.Add.Imm(asm.R1, f.added),
		asm.StoreMem(asm.R10, onTotal, asm.R1, asm.Word),
		b.load(asm.R2, unsafe.Offsetof(slot{}.longest)), asm.JGT.Reg(asm.R1, asm.R2, up),
		asm.LoadMem(asm.R2, asm.R7, f.udp+4, asm.Half), asm.HostTo(asm.BE, asm.R2, asm.Half),
		asm.JLT.Imm(asm.R2, udpLen+rtpLen, up),
		asm.Add.Imm(asm.R2, int32(f.udp)-etherLen), asm.JNE.Reg(asm.R1, asm.R2, up),
		asm.LoadMem(asm.R2, asm.R6, skbLen, asm.Word),
		asm.Add.Imm(asm.R1, etherLen), asm.JGT.Reg(asm.R1, asm.R2, up),
	)
}

// rest measures what an RTP header has beyond its first twelve bytes (RFC 3550 5.1,
// 5.3.1), which stays as it is. The length of an extension may lie beyond what of the
// packet is in one piece, so that a helper reads it.
func (b *builder) rest(f family) {
	plain := "plain" + f.name
	b.add(
		asm.LoadMem(asm.R8, asm.R7, f.rtp(), asm.Byte),
		asm.Mov.Reg(asm.R1, asm.R8), asm.And.Imm(asm.R1, fixedRTP), asm.JNE.Imm(asm.R1, plainRTP, up),
		asm.Mov.Reg(asm.R1, asm.R8), asm.And.Imm(asm.R1, sources), asm.LSh.Imm(asm.R1, 2),
		asm.StoreMem(asm.R10, onRest, asm.R1, asm.Word),
		asm.And.Imm(asm.R8, extended), asm.JEq.Imm(asm.R8, 0, plain),

		asm.Mov.Reg(asm.R2, asm.R1), asm.Add.Imm(asm.R2, int32(f.rtp())+rtpLen+lengthAt),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R3, asm.R10), asm.Add.Imm(asm.R3, onExtent), asm.Mov.Imm(asm.R4, 2),
		asm.FnSkbLoadBytes.Call(), asm.JNE.Imm(asm.R0, 0, up),
		asm.LoadMem(asm.R1, asm.R10, onExtent, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half),
		asm.Add.Imm(asm.R1, 1), asm.LSh.Imm(asm.R1, 2),
		asm.LoadMem(asm.R2, asm.R10, onRest, asm.Word), asm.Add.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.R10, onRest, asm.R1, asm.Word),
	)
	b.mark(plain)
	b.add(
		asm.LoadMem(asm.R1, asm.R10, onTotal, asm.Word), asm.Sub.Imm(asm.R1, int32(f.rtp())+rtpLen-etherLen),
		asm.LoadMem(asm.R2, asm.R10, onRest, asm.Word), asm.JGT.Reg(asm.R2, asm.R1, up),
	)
}

// follow looks at what kind of packet it is and where its sequence is, and at the
// sign of life.
func (b *builder) follow(f family) {
	b.rest(f)
	b.add(
		asm.LoadMem(asm.R1, asm.R7, f.rtp()+1, asm.Byte),
		asm.JLT.Imm(asm.R1, firstRTCP, "rtp"+f.name),
		asm.JLE.Imm(asm.R1, lastRTCP, up),
	)
	b.mark("rtp" + f.name)
	b.add(
		asm.LoadMem(asm.R1, asm.R7, f.rtp()+2, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half),
		b.load(asm.R2, unsafe.Offsetof(slot{}.counts.highest)+countsAt),
		asm.Sub.Reg(asm.R1, asm.R2), asm.LSh.Imm(asm.R1, 48), asm.ArSh.Imm(asm.R1, 48),
		asm.JSGE.Imm(asm.R1, maxDropout, up), asm.JSLE.Imm(asm.R1, -maxMisorder, up),
		asm.StoreMem(asm.R10, onAhead, asm.R1, asm.Word),
		asm.StoreImm(asm.R10, onKey, int64(b.pairs), asm.Word),
	)
	b.lookup()
	b.add(
		asm.LoadMem(asm.R8, asm.R0, int16(countsAt+unsafe.Offsetof(counts{}.at)), asm.DWord),
		asm.FnKtimeGetNs.Call(),
		asm.StoreMem(asm.R10, onNow, asm.R0, asm.DWord),
		asm.Sub.Reg(asm.R0, asm.R8),
		asm.LoadImm(asm.R1, int64(abandonedAfter), asm.DWord),
		asm.JSGT.Reg(asm.R0, asm.R1, up),
	)
}

const countsAt = unsafe.Offsetof(slot{}.counts)

// header makes the new RTP header and takes all that will be written from the
// slot, then looks whether the slot is still what it was.
func (b *builder) header(f family) {
	b.add(
		asm.LoadMem(asm.R1, asm.R7, f.rtp()+1, asm.Byte),
		asm.Mov.Reg(asm.R2, asm.R1), asm.And.Imm(asm.R2, 0x7f),
		asm.Mov.Reg(asm.R3, asm.R9), asm.Add.Reg(asm.R3, asm.R2),
		asm.LoadMem(asm.R2, asm.R3, int16(unsafe.Offsetof(slot{}.payloads)), asm.Byte),
		asm.JEq.Imm(asm.R2, goesUp, up),
		asm.And.Imm(asm.R1, 0x80), asm.Or.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.R10, onRTP+1, asm.R1, asm.Byte),
		asm.LoadMem(asm.R1, asm.R7, f.rtp(), asm.Byte), asm.StoreMem(asm.R10, onRTP, asm.R1, asm.Byte),

		asm.LoadMem(asm.R1, asm.R7, f.rtp()+2, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half),
		b.load(asm.R2, unsafe.Offsetof(slot{}.seqOff)), asm.Add.Reg(asm.R1, asm.R2),
		asm.HostTo(asm.BE, asm.R1, asm.Half), asm.StoreMem(asm.R10, onRTP+2, asm.R1, asm.Half),

		asm.LoadMem(asm.R1, asm.R7, f.rtp()+4, asm.Word), asm.HostTo(asm.BE, asm.R1, asm.Word),
		asm.StoreMem(asm.R10, onTime, asm.R1, asm.Word),
		b.load(asm.R2, unsafe.Offsetof(slot{}.timeOff)), asm.Add.Reg(asm.R1, asm.R2),
		asm.HostTo(asm.BE, asm.R1, asm.Word), asm.StoreMem(asm.R10, onRTP+4, asm.R1, asm.Word),

		b.load(asm.R1, unsafe.Offsetof(slot{}.ssrcOut)), asm.StoreMem(asm.R10, onRTP+8, asm.R1, asm.Word),
	)
	for i := range f.words {
		b.save(unsafe.Offsetof(slot{}.leaves)+uintptr(4*i), onAddrs+4*i)
	}
	b.save(unsafe.Offsetof(slot{}.leavesPorts), onPorts)
	b.save(unsafe.Offsetof(slot{}.pseudoDiff), onPseudo)
	b.save(unsafe.Offsetof(slot{}.headDiff), onHead)
	b.save(unsafe.Offsetof(slot{}.portsDiff), onDiff)
	b.add(
		b.load(asm.R1, unsafe.Offsetof(slot{}.state)),
		asm.LoadMem(asm.R2, asm.R10, onState, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, up),
	)
}

// save copies a word of the slot to the stack.
func (b *builder) save(field uintptr, at int16) {
	b.add(b.load(asm.R1, field), asm.StoreMem(asm.R10, at, asm.R1, asm.Word))
}

// count counts the packet. The packets of a stream come one after another, but
// for moments when the kernel moves their queue to another core: what is then
// counted wrongly is a jitter.
func (b *builder) count(f family) {
	field := func(f uintptr) int16 { return int16(countsAt + f) }
	next, jitter, after := "next"+f.name, "jitter"+f.name, "counted"+f.name
	b.add(
		asm.Mov.Imm(asm.R1, 1),
		asm.Mov.Reg(asm.R2, asm.R9), asm.Add.Imm(asm.R2, int32(field(unsafe.Offsetof(counts{}.packets)))),
		asm.StoreXAdd(asm.R2, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R10, onTotal, asm.Word), asm.Sub.Imm(asm.R1, int32(f.rtp())+rtpLen-etherLen),
		asm.LoadMem(asm.R2, asm.R10, onRest, asm.Word), asm.Sub.Reg(asm.R1, asm.R2),
		asm.Mov.Reg(asm.R2, asm.R9), asm.Add.Imm(asm.R2, int32(field(unsafe.Offsetof(counts{}.octets)))),
		asm.StoreXAdd(asm.R2, asm.R1, asm.DWord),

		asm.LoadMem(asm.R1, asm.R10, onAhead, asm.Word),
		asm.LSh.Imm(asm.R1, 32), asm.ArSh.Imm(asm.R1, 32),
		asm.JSLE.Imm(asm.R1, 0, after), // a straggler
		b.load(asm.R2, unsafe.Offsetof(counts{}.highest)+countsAt), asm.Add.Reg(asm.R2, asm.R1),
		asm.StoreMem(asm.R9, field(unsafe.Offsetof(counts{}.highest)), asm.R2, asm.Word),
		asm.JEq.Imm(asm.R1, 1, next),
		b.load(asm.R1, unsafe.Offsetof(counts{}.runs)+countsAt), asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R9, field(unsafe.Offsetof(counts{}.runs)), asm.R1, asm.Word),
	)
	b.mark(next)
	b.add(
		asm.LoadMem(asm.R1, asm.R10, onNow, asm.DWord),
		asm.LoadMem(asm.R2, asm.R9, field(unsafe.Offsetof(counts{}.at)), asm.DWord),
		b.load(asm.R4, unsafe.Offsetof(counts{}.time)+countsAt),
		asm.LoadMem(asm.R5, asm.R10, onTime, asm.Word),
		asm.StoreMem(asm.R9, field(unsafe.Offsetof(counts{}.at)), asm.R1, asm.DWord),
		asm.StoreMem(asm.R9, field(unsafe.Offsetof(counts{}.time)), asm.R5, asm.Word),
		asm.JEq.Imm(asm.R2, 0, after),
		asm.Sub.Reg(asm.R1, asm.R2),
		asm.LoadImm(asm.R2, int64(longestStep), asm.DWord), asm.JGT.Reg(asm.R1, asm.R2, after),
		b.load(asm.R2, unsafe.Offsetof(slot{}.clock)), asm.Mul.Reg(asm.R1, asm.R2),
		asm.Div.Imm(asm.R1, int32(time.Second)),
		asm.Sub.Reg(asm.R5, asm.R4), // ticks of the sender between the two
		asm.Sub.Reg(asm.R1, asm.R5),
		asm.LSh.Imm(asm.R1, 32), asm.ArSh.Imm(asm.R1, 32),
		asm.JSGE.Imm(asm.R1, 0, jitter),
		asm.Neg.Imm(asm.R1, 0),
	)
	b.mark(jitter)
	b.add(
		b.load(asm.R2, unsafe.Offsetof(counts{}.jitter)+countsAt),
		asm.Mov.Reg(asm.R3, asm.R2), asm.Add.Imm(asm.R3, 8), asm.RSh.Imm(asm.R3, 4),
		asm.Add.Reg(asm.R2, asm.R1), asm.Sub.Reg(asm.R2, asm.R3),
		asm.StoreMem(asm.R9, field(unsafe.Offsetof(counts{}.jitter)), asm.R2, asm.Word),
	)
	b.mark(after)
}

// longestStep is the longest pause that counts as jitter: more is silence, and
// the product with the clock must fit.
const longestStep = 10 * time.Second

// rewrite changes checksums, then headers. What a helper changes must be found
// again, so the sums go first.
func (b *builder) rewrite(f family) {
	sum := f.udp + 6
	b.add(
		asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, int32(f.rtp())), asm.Mov.Imm(asm.R2, rtpLen),
		asm.Mov.Reg(asm.R3, asm.R10), asm.Add.Imm(asm.R3, onRTP), asm.Mov.Imm(asm.R4, rtpLen),
		asm.LoadMem(asm.R5, asm.R10, onDiff, asm.Word),
		asm.FnCsumDiff.Call(),
	)
	b.replace(asm.FnL4CsumReplace, sum, csumMangled, asm.Mov.Reg(asm.R4, asm.R0))
	b.replace(asm.FnL4CsumReplace, sum, csumMangled|csumPseudo, asm.LoadMem(asm.R4, asm.R10, onPseudo, asm.Word))
	if f.number == 4 {
		b.replace(asm.FnL3CsumReplace, etherLen+10, 0, asm.LoadMem(asm.R4, asm.R10, onPseudo, asm.Word))
		b.replace(asm.FnL3CsumReplace, etherLen+10, 0, asm.LoadMem(asm.R4, asm.R10, onHead, asm.Word))
	} else { // no checksum of the header makes up for its changes in the sum that a card gives
		for _, at := range []int16{onPseudo, onHead} {
			b.add(asm.Mov.Reg(asm.R1, asm.R6), asm.LoadMem(asm.R2, asm.R10, at, asm.Word), asm.FnCsumUpdate.Call())
		}
	}
	b.bytes(f, up)
	for i := range f.words {
		b.put(onAddrs+4*i, f.addrs+4*i)
	}
	b.put(onPorts, f.udp)
	for i := range int16(rtpLen / 4) {
		b.put(onRTP+4*i, f.rtp()+4*i)
	}
	b.add(
		asm.LoadMem(asm.R1, asm.R7, f.hops, asm.Byte), asm.Sub.Imm(asm.R1, 1),
		asm.StoreMem(asm.R7, f.hops, asm.R1, asm.Byte),
	)
}

// replace calls a helper that changes the checksum at an offset by what diff
// puts into R4.
func (b *builder) replace(helper asm.BuiltinFunc, at int16, flags int32, diff asm.Instruction) {
	b.add(
		diff, asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Imm(asm.R2, int32(at)), asm.Mov.Imm(asm.R3, 0),
		asm.Mov.Imm(asm.R5, flags), helper.Call(), asm.JNE.Imm(asm.R0, 0, up),
	)
}

// put writes a word of the stack to the packet.
func (b *builder) put(from, to int16) {
	b.add(asm.LoadMem(asm.R1, asm.R10, from, asm.Word), asm.StoreMem(asm.R7, to, asm.R1, asm.Word))
}

// leave sends the packet off.
func (b *builder) leave(f family) {
	b.add(
		asm.LoadMem(asm.R1, asm.R10, onOut, asm.Word),
		asm.JNE.Imm(asm.R1, 0, "redirect"+f.name),
		asm.Mov.Imm(asm.R0, inPlace), asm.Return(),
	)
	b.mark("redirect" + f.name)
	b.add(
		asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 0),
		asm.FnRedirectNeigh.Call(), asm.Return(),
	)
}
