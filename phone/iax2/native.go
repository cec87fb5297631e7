package iax2

import "tincan/phone/iax2/frame"

// native answers the wish of a server between two parties to be left out (RFC 5456
// 6.3): no, so that what is recorded, counted and encrypted here stays so.
func (l *leg) native(*frame.Elements) { l.x.command(frame.TxRej, nil) }

// transferring gets what belongs to a transfer that was not begun here.
func (l *leg) transferring(*frame.Full, *frame.Elements) {}
