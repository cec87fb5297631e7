package iax2

import (
	"slices"
	"sync/atomic"

	"tincan/phone/codec"
	"tincan/phone/iax2/frame"
	"tincan/phone/media"
)

// pictures are the moving pictures of a call (media.Flow): each packet of RTP is the
// payload of a video frame, the first and the first of every 33 s in a full one.
//
//	in   mini video frame: 15 bits of time and the mark ─┬─> Packet ─> Sink
//	     full video frame ───────────────────────────────┘
//	out  Packet ─> full or mini video frame
//	VIDUPDATE of the peer ──> WantPicture of the other flow, and the other way round
//
// A call that is encrypted has none: the protocol has no way to seal them.
type pictures struct {
	x      *session
	engine *media.Engine
	route  atomic.Pointer[media.Sink]
	sends  atomic.Pointer[[]codec.Format] // one, or none while nothing is agreed

	in struct { // the reader's alone
		packet media.Packet
		time   uint32 // ms
		any    bool
	}

	chosen frame.Format // the session's lock guards what follows
	out    outward
}

// visible are the formats of pictures that are handed on, the best first.
var visible = frame.Preference{frame.VP8, frame.H264, frame.H263Plus, frame.MPEG4, frame.H263, frame.H261}

func newPictures(x *session) *pictures {
	p := &pictures{x: x, engine: x.s.cfg.Media}
	p.sends.Store(new([]codec.Format))
	return p
}

// choose sets the format, once. Called with the session's lock held.
func (p *pictures) choose(f frame.Format) {
	if p.chosen != 0 || f == 0 {
		return
	}
	p.chosen = f
	if c, ok := f.Codec(); ok {
		p.sends.Store(&[]codec.Format{c})
	}
}

// Engine gives the engine whose clock counts arrivals.
func (p *pictures) Engine() *media.Engine { return p.engine }

// Route says who sees the peer (media.Flow).
func (p *pictures) Route(to media.Sink) {
	if to == nil {
		p.route.Store(nil)
		return
	}
	p.route.Store(&to)
	p.WantPicture() // whoever sees it from now on has seen none
}

// Terms says what was agreed (media.Flow).
func (p *pictures) Terms() media.Terms {
	list := *p.sends.Load()
	return media.Terms{Kind: media.Video, Sends: list, Accepts: list}
}

// WantPicture asks the peer for a whole picture.
func (p *pictures) WantPicture() {
	p.x.mu.Lock()
	defer p.x.unlock()
	if p.chosen != 0 && p.x.number != 0 && !p.x.leaving {
		p.x.control(frame.VideoUpdate)
	}
}

// asked passes on the peer's wish to see a whole picture.
func (p *pictures) asked() {
	to := p.route.Load()
	if to == nil {
		return
	}
	if d, ok := (*to).(direct); ok {
		if w, ok := d.Direct().(interface{ WantPicture() }); ok {
			w.WantPicture()
		}
	}
}

// Deliver sends a packet to the peer, or what it asks for (media.Flow).
func (p *pictures) Deliver(pkt *media.Packet) {
	if pkt.WantsPicture() {
		p.WantPicture()
	}
	if pkt.Type != media.Media || pkt.Format == nil || pkt.Format.Clock < 1000 {
		return
	}
	x := p.x
	x.mu.Lock()
	defer x.unlock()
	if x.over || x.leaving || x.number == 0 || p.chosen == 0 || x.keys != nil {
		return
	}
	o := &p.out
	ms := o.at(pkt, x.now())
	whole := !o.any || o.upper != ms>>15
	o.last, o.any = ms, true
	o.packets++
	o.octets += uint64(len(pkt.Payload))
	if whole {
		o.upper = ms >> 15
		x.send(frame.Full{Type: frame.Video, Subclass: frame.Subclass(p.chosen), Mark: pkt.Marker, Time: ms, Payload: pkt.Payload}, false)
		return
	}
	o.buffer = frame.AppendMiniVideo(o.buffer[:0], frame.MiniVideo{Source: x.ours, Time: uint16(ms), Mark: pkt.Marker, Payload: pkt.Payload})
	x.path.port.send(x.path, o.buffer)
}

// mini takes a mini video frame.
func (p *pictures) mini(m frame.MiniVideo) {
	t := uint32(m.Time)
	if p.in.any { // the one of these 15 bits that is nearest to the last
		t = p.in.time + uint32(int32(int16((m.Time-uint16(p.in.time))<<1)>>1))
	}
	p.take(t, m.Mark, m.Payload)
}

func (p *pictures) take(ms uint32, mark bool, payload []byte) {
	if !p.in.any || int32(ms-p.in.time) > 0 {
		p.in.time = ms
	}
	p.in.any = true
	list, to := *p.sends.Load(), p.route.Load()
	if len(list) == 0 || to == nil || len(payload) == 0 {
		return
	}
	p.in.packet = media.Packet{
		Format: &list[0], Payload: payload, Marker: mark, Arrival: p.engine.Now(),
		Time: uint32(uint64(ms) * uint64(list[0].Clock) / 1000),
	}
	(*to).Deliver(&p.in.packet)
}

// seen gives the formats of pictures in a description that IAX2 can name.
func seen(d *media.Description) (list frame.Preference) {
	st := d.Stream(media.Video)
	if st == nil {
		return nil
	}
	for _, c := range st.Formats {
		if f, ok := frame.FormatOf(c); ok && slices.Contains(visible, f) && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	return list
}

// within leaves of formats those of a set.
func within(list frame.Preference, set frame.Format) frame.Preference {
	return slices.DeleteFunc(slices.Clone(list), func(f frame.Format) bool { return !set.Has(f) })
}
