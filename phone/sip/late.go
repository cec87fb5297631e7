package sip

import (
	"tincan/phone/call"
	"tincan/phone/codec"
	"tincan/phone/media"
)

// A caller may leave the offer to us (RFC 3261 13.2.1): its INVITE has no
// description, our 200 the offer, its ACK the answer.
//
//	INVITE ──> called party is offered all that we relay, chooses
//	200 <── offer of what it chose
//	ACK ──> the answer; sound flows from now on

// relayed are the formats of such an offer, the best first.
var relayed = [...]codec.Format{
	{PT: 96, Name: "opus", Clock: 48000, Channels: 2},
	{PT: 9, Name: "g722", Clock: 8000, Channels: 1},
	{PT: 8, Name: "pcma", Clock: 8000, Channels: 1},
	{PT: 0, Name: "pcmu", Clock: 8000, Channels: 1},
	{PT: 3, Name: "gsm", Clock: 8000, Channels: 1},
	{PT: 97, Name: "speex", Clock: 16000, Channels: 1},
	{PT: 101, Name: "telephone-event", Clock: 8000, Channels: 1, Fmtp: "0-16"},
}

// lateOffer is what a caller without an offer is taken to offer.
func lateOffer() media.Description {
	return media.Description{Streams: []media.Stream{{
		Kind: media.Audio, Proto: "RTP/AVP", RTP: media.Pending, Direction: media.SendRecv, Formats: relayed[:],
	}}}
}

// lateAnswer takes the answer in the ACK to our offer. Called with mu held.
func (l *leg) lateAnswer(d media.Description, ok bool) {
	late := l.late
	l.noOffer, l.late = false, false
	if ok && (!late || d.Stream(media.Audio) != nil) {
		if cause := l.takeAnswer(d); cause != nil {
			go l.fail(*cause)
			return
		}
		l.configure()
		l.post(call.Renewed{Leg: l, Answer: media.Within(l.ours, l.theirs)})
		return
	}
	if late {
		go l.fail(call.NotAcceptable.Why("the party's ACK does not answer our offer"))
	}
}
