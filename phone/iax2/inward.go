package iax2

import (
	"time"

	"tincan/phone/codec"
	"tincan/phone/iax2/frame"
	"tincan/phone/media"
)

// inward follows the times of what comes in; the reader's alone.
type inward struct {
	packet media.Packet
	of     frame.Format  // of the last full frame
	format *codec.Format // entry of sends; nil: not one that was agreed
	list   *[]codec.Format
	time   uint32 // ms, of the last packet
	any    bool
	room   []byte
}

// full takes a full voice frame.
func (f *flow) full(v sound) {
	in := &f.in
	if in.of != v.format {
		in.of, in.list = v.format, nil
	}
	f.take(v.time, v.payload)
}

// mini takes a mini frame, or an entry of a trunk frame. rest is what follows the call
// number, which is sealed in an encrypted call; nil of an entry that is not.
func (f *flow) mini(low uint16, rest, payload []byte) {
	if k := f.x.sealed.Load(); k != nil {
		if rest == nil { // in the clear among other calls, though encryption was agreed
			f.x.s.counts.Forged.Add(1)
			return
		}
		var ok bool
		if low, payload, ok = k.openMini(rest, f.in.time, &f.in.room); !ok {
			f.x.s.counts.Forged.Add(1)
			return
		}
	}
	f.take(f.in.wide(low), payload)
}

// untimed takes an entry of a trunk frame without times: of an encrypted call the
// sealed rest of a mini frame, else sound that follows on the last.
func (f *flow) untimed(payload []byte) {
	if f.x.sealed.Load() != nil {
		f.mini(0, payload, nil)
		return
	}
	f.mu.Lock()
	length := max(f.got.length, 20)
	f.mu.Unlock()
	f.take(f.in.time+length, payload)
}

// wide gives the whole of a time: the one nearest to the last.
func (in *inward) wide(low uint16) uint32 {
	if !in.any {
		return uint32(low)
	}
	return in.time + uint32(int32(int16(low-uint16(in.time))))
}

// agreed finds the format of what comes.
func (in *inward) agreed(list *[]codec.Format) *codec.Format {
	if in.list == list {
		return in.format
	}
	in.list, in.format = list, nil
	for i := range *list {
		c := &(*list)[i]
		if of, ok := frame.FormatOf(*c); ok && (of == in.of || in.of == 0) {
			in.format = c
			break
		}
	}
	return in.format
}

func (f *flow) take(ms uint32, payload []byte) {
	in, now := &f.in, f.engine.Now()
	format := in.agreed(f.sends.Load())
	first := !in.any
	if first || int32(ms-in.time) > 0 {
		in.time = ms
	}
	in.any = true
	f.count(ms, len(payload), format, now)
	if first && f.heard != nil {
		f.heard()
	}
	to := f.route.Load()
	if format == nil || to == nil || len(payload) == 0 {
		return
	}
	in.packet = media.Packet{
		Format: format, Payload: payload, Marker: first, Arrival: now,
		Time: uint32(uint64(ms) * uint64(format.Clock) / 1000),
	}
	(*to).Deliver(&in.packet)
}

// received is what is known of the peer's sound.
type received struct {
	packets, octets uint64
	lost, runs      uint64
	late            uint64 // came after a later one
	unknown         uint64 // of a format that was not agreed
	length          uint32 // ms between packets
	last            uint32 // ms
	jitter, transit float64
	at              time.Duration // engine's time of the last
	format          codec.Format

	far   frame.Report // what the peer says of what it hears
	farAt time.Duration
}

// mostMissing is the longest hole, in packets, that counts as lost: a longer one is a
// pause of who sends nothing in silence.
const mostMissing = 25

func (f *flow) count(ms uint32, octets int, format *codec.Format, now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := &f.got
	if format == nil {
		g.unknown++
		return
	}
	transit := float64(now)/float64(time.Millisecond) - float64(ms)
	if g.packets > 0 {
		g.follow(int32(ms - g.last))
		g.jitter += (abs(transit-g.transit) - g.jitter) / 16 // RFC 3550 A.8
	}
	if int32(ms-g.last) > 0 || g.packets == 0 {
		g.last = ms
	}
	g.packets++
	g.octets += uint64(octets)
	g.transit, g.at, g.format = transit, now, *format
}

// follow counts what is missing between two packets. Mini frames have no number: a
// hole of whole packets is taken for a loss.
func (g *received) follow(step int32) {
	switch length := int32(g.length); {
	case step <= 0:
		g.late++
		if g.lost > 0 {
			g.lost--
		}
	case length == 0 || step < length:
		g.length = uint32(step)
	case step > length && step <= mostMissing*length && step%length == 0:
		g.lost += uint64(step/length - 1)
		g.runs++
	case step > length && step <= 60 && g.packets < 10: // of packets that are longer than the first two were apart
		g.length = uint32(step)
	}
}

func abs(v float64) float64 { return max(v, -v) }
