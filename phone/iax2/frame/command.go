package frame

import "fmt"

// Command is a message of the protocol itself (8.4), the subclass of a frame of
// Type IAX.
type Command uint8

const (
	New         Command = 1 // begins a call
	Ping        Command = 2
	Pong        Command = 3
	Ack         Command = 4 // acknowledges, and is not acknowledged
	HangupCall  Command = 5
	Reject      Command = 6
	Accept      Command = 7
	AuthReq     Command = 8
	AuthRep     Command = 9
	Inval       Command = 10 // there is no such call
	LagReq      Command = 11
	LagRep      Command = 12
	RegReq      Command = 13
	RegAuth     Command = 14
	RegAck      Command = 15
	RegRej      Command = 16
	RegRel      Command = 17
	Vnak        Command = 18 // a frame is missing: send again from ISeq on
	DpReq       Command = 19
	DpRep       Command = 20
	Dial        Command = 21
	TxReq       Command = 22 // talk to each other directly
	TxCnt       Command = 23
	TxAcc       Command = 24
	TxReady     Command = 25
	TxRel       Command = 26
	TxRej       Command = 27
	Quelch      Command = 28 // send no sound
	Unquelch    Command = 29
	Poke        Command = 30 // a PING without a call
	Page        Command = 31 // reserved
	MWI         Command = 32
	Unsupport   Command = 33
	Transfer    Command = 34
	Provision   Command = 35
	FirmwareReq Command = 36
	FirmwareRep Command = 37
	TxMedia     Command = 38 // as TXREADY, for the sound alone
	RtKey       Command = 39 // the key of the next frames
	CallToken   Command = 40 // say that again, with this token (RFC 5456 has it not; it came in 2009)
)

func (c Command) String() string {
	names := [...]string{
		"", "NEW", "PING", "PONG", "ACK", "HANGUP", "REJECT", "ACCEPT", "AUTHREQ", "AUTHREP", "INVAL", "LAGRQ",
		"LAGRP", "REGREQ", "REGAUTH", "REGACK", "REGREJ", "REGREL", "VNAK", "DPREQ", "DPREP", "DIAL", "TXREQ",
		"TXCNT", "TXACC", "TXREADY", "TXREL", "TXREJ", "QUELCH", "UNQUELCH", "POKE", "PAGE", "MWI", "UNSUPPORT",
		"TRANSFER", "PROVISION", "FWDOWNL", "FWDATA", "TXMEDIA", "RTKEY", "CALLTOKEN",
	}
	if c == 0 || int(c) >= len(names) {
		return fmt.Sprintf("COMMAND-%d", uint8(c))
	}
	return names[c]
}

// Sequenced tells whether a frame counts in the sequence numbers of its call.
// Those that do not are not acknowledged and repeat the OSeq of the frame that
// is still to come (RFC 5456 7, 8.1.1).
func (f Full) Sequenced() bool {
	if f.Type != IAX {
		return true
	}
	switch f.Command() {
	case Ack, Inval, TxCnt, TxAcc, Vnak, CallToken:
		return false
	}
	return true
}
