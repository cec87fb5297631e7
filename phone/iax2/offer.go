package iax2

import (
	"slices"

	"tincan/phone/codec"
	"tincan/phone/iax2/frame"
	"tincan/phone/media"
)

// spoken are the formats that we take part in, the best sounding first. 16-bit sound
// at 16 kHz is not among them: peers do not agree on the order of its bytes.
var spoken = frame.Preference{
	frame.Opus, frame.G722, frame.SpeexWide, frame.PCMA, frame.PCMU, frame.GSM, frame.Speex, frame.L16, frame.G729,
}

// wanted gives what a peer can take, in its order: what it prefers, then what it
// desires at the moment, then the rest in ours.
func wanted(e *frame.Elements) (list frame.Preference) {
	can := e.Capability | e.Format
	add := func(f frame.Format) {
		if can.Has(f) && f != 0 && slices.Contains(spoken, f) && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	for _, f := range e.Preference {
		add(f)
	}
	for _, f := range e.Format.All() {
		add(f)
	}
	for _, f := range spoken {
		add(f)
	}
	return list
}

// protocol stands in a description as it does for every leg, whatever carries its
// sound: a SIP leg writes what it is offered, and phones refuse words that they do
// not know.
const protocol = "RTP/AVP"

// describe makes a description of formats: a line of sound, and one of pictures if
// there are formats for them.
func describe(list, pictures frame.Preference) media.Description {
	st := media.Stream{Kind: media.Audio, Proto: protocol, RTP: media.Pending, Direction: media.SendRecv}
	for _, f := range list {
		if c, ok := f.Codec(); ok {
			st.Formats = append(st.Formats, c)
		}
	}
	d := media.Description{Streams: []media.Stream{st}}
	if len(pictures) > 0 {
		st.Kind, st.Formats = media.Video, nil
		for _, f := range pictures {
			if c, ok := f.Codec(); ok {
				st.Formats = append(st.Formats, c)
			}
		}
		d.Streams = append(d.Streams, st)
	}
	return d
}

// named gives the formats of the sound in a description that IAX2 can name, in its
// order.
func named(d *media.Description) (list frame.Preference) {
	st := d.Stream(media.Audio)
	if st == nil {
		return nil
	}
	for _, c := range st.Voice() {
		if f, ok := frame.FormatOf(c); ok && slices.Contains(spoken, f) && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	return list
}

// only reduces a description to one format of its sound, and one of its pictures, or 0
// for none; it refuses the other lines.
func only(d media.Description, sound, picture frame.Format) media.Description {
	out := media.Description{Streams: slices.Clone(d.Streams)}
	left := map[media.Kind]frame.Format{media.Audio: sound, media.Video: picture}
	for i := range out.Streams {
		st := &out.Streams[i]
		f := left[st.Kind]
		if st.Refused() || f == 0 {
			*st = media.Stream{Kind: st.Kind, Name: st.Name, Proto: st.Proto, Raw: st.Raw, Formats: st.Formats}
			continue
		}
		delete(left, st.Kind)
		st.Formats = slices.DeleteFunc(slices.Clone(st.Formats), func(c codec.Format) bool {
			of, ok := frame.FormatOf(c)
			return !ok || of != f
		})
	}
	return out
}
