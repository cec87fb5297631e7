package frame

import "fmt"

// Type is the type of a full frame (8.2).
type Type uint8

const (
	DTMFEnd      Type = 1  // a digit: its character is the subclass; from old peers the whole digit
	Voice        Type = 2  // sound, the subclass is its Format
	Video        Type = 3  // a picture, the subclass is its Format
	ControlFrame Type = 4  // the state of a call, the subclass is a Control
	Null         Type = 5  // nothing: ignored
	IAX          Type = 6  // the protocol's own, the subclass is a Command, the payload Elements
	Text         Type = 7  // a text message in UTF-8
	Image        Type = 8  // a still picture, the subclass is its Format
	HTML         Type = 9  // a web page or its address, the subclass is an HTMLKind
	ComfortNoise Type = 10 // silence, the subclass is the noise's level in -dBov
	Modem        Type = 11 // fax or modem data; never seen
	DTMFBegin    Type = 12 // the begin of a digit, not in the RFC
)

func (t Type) String() string {
	names := [...]string{
		"", "DTMF", "VOICE", "VIDEO", "CONTROL", "NULL", "IAX", "TEXT", "IMAGE", "HTML", "CNG", "MODEM", "DTMF-BEGIN",
	}
	if t == 0 || int(t) >= len(names) {
		return fmt.Sprintf("TYPE-%d", uint8(t))
	}
	return names[t]
}

// Control is what happens to a call (8.3), the subclass of a ControlFrame.
// Numbers above 20 are not in the RFC; they are Asterisk's own business, some
// of which it sends, to be acknowledged and ignored.
type Control uint8

const (
	Hangup       Control = 1 // the other side's channel has ended; the command HANGUP ends the call
	Ring         Control = 2
	Ringing      Control = 3
	Answer       Control = 4
	Busy         Control = 5
	TakeOffHook  Control = 6
	OffHook      Control = 7
	Congestion   Control = 8
	Flash        Control = 9
	Wink         Control = 10
	Option       Control = 11
	Key          Control = 12
	Unkey        Control = 13
	Progress     Control = 14
	Proceeding   Control = 15
	Hold         Control = 16
	Unhold       Control = 17
	VideoUpdate  Control = 18
	T38          Control = 19
	SourceUpdate Control = 20
	Transferred  Control = 21 // how a transfer that was asked for went
	Connected    Control = 22 // who the other party is now
	Redirecting  Control = 23
	T38Parameter Control = 24
	SourceChange Control = 26
	Charge       Control = 28
	Incomplete   Control = 30 // the number is too short
	Malicious    Control = 31
	RTPPeer      Control = 32
	CauseDetail  Control = 33
	StreamChange Control = 35
	StreamsNew   Control = 36
	StreamSource Control = 37
	StopTones    Control = 0xff // no tone of its own, such as ringing, is to be heard any more
)

func (c Control) String() string {
	names := [...]string{
		"", "HANGUP", "RING", "RINGING", "ANSWER", "BUSY", "TAKE-OFF-HOOK", "OFF-HOOK", "CONGESTION", "FLASH",
		"WINK", "OPTION", "KEY", "UNKEY", "PROGRESS", "PROCEEDING", "HOLD", "UNHOLD", "VIDEO-UPDATE", "T38",
		"SOURCE-UPDATE", "TRANSFER", "CONNECTED-LINE", "REDIRECTING", "T38-PARAMETERS", "CC", "SOURCE-CHANGE",
		"READ-ACTION", "AOC", "END-OF-QUEUE", "INCOMPLETE", "MCID", "UPDATE-RTP-PEER", "CAUSE-CODE",
	}
	if c == StopTones {
		return "STOP-TONES"
	}
	if c == 0 || int(c) >= len(names) {
		return fmt.Sprintf("CONTROL-%d", uint8(c))
	}
	return names[c]
}

// HTMLKind is the subclass of an HTML frame (8.5).
type HTMLKind uint8

const (
	HTMLURL          HTMLKind = 1
	HTMLData         HTMLKind = 2
	HTMLBegin        HTMLKind = 4
	HTMLEnd          HTMLKind = 8
	HTMLLoaded       HTMLKind = 16
	HTMLNotSupported HTMLKind = 17
	HTMLLink         HTMLKind = 18
	HTMLUnlink       HTMLKind = 19
	HTMLRejectLink   HTMLKind = 20
)
