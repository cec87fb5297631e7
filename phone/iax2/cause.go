package iax2

import "tincan/phone/call"

// Causes as ITU-T Q.850 numbers them.
const (
	unallocated       = 1
	noTransitRoute    = 2
	noRoute           = 3 // Asterisk's, of a number that its dialplan has not
	normalClearing    = 16
	userBusy          = 17
	noResponse        = 18
	noAnswer          = 19
	subscriberAbsent  = 20
	callRejected      = 21
	answeredElsewhere = 26
	outOfOrder        = 27
	facilityRejected  = 29
	noCircuit         = 34
	temporaryFailure  = 41
	congestion        = 42
	notAvailable      = 58
	incompatible      = 88
	timerExpired      = 102
	interworking      = 127
)

// codeOf says a cause as Q.850 does.
func codeOf(c call.Cause) uint8 {
	switch c.Kind {
	case call.Normal.Kind, call.Cancelled.Kind, call.Shutdown.Kind:
		return normalClearing
	case call.Busy.Kind:
		return userBusy
	case call.NoAnswer.Kind:
		return noAnswer
	case call.Elsewhere.Kind:
		return answeredElsewhere
	case call.Rejected.Kind:
		return callRejected
	case call.NotFound.Kind:
		return unallocated
	case call.Unregistered.Kind:
		return subscriberAbsent
	case call.NotAcceptable.Kind:
		return incompatible
	case call.Unencrypted.Kind:
		return notAvailable
	case call.NoPorts.Kind:
		return noCircuit
	case call.MediaTimeout.Kind:
		return timerExpired
	case call.Failed.Kind, call.Interrupted.Kind:
		return temporaryFailure
	}
	return interworking
}

// causeOf is the other way round, of a party that was called or has hung up.
func causeOf(code uint8, said bool, text string) call.Cause {
	c := call.Normal
	switch {
	case !said || code == normalClearing || code == 0:
	case code == userBusy:
		c = call.Busy
	case code == noResponse, code == noAnswer:
		c = call.NoAnswer
	case code == callRejected:
		c = call.Rejected
	case code == unallocated, code == noTransitRoute, code == noRoute: // RFC 3398 7.2.4.1
		c = call.NotFound
	case code == subscriberAbsent, code == outOfOrder:
		c = call.Unregistered.Why("")
	case code == answeredElsewhere:
		c = call.Elsewhere
	case code == incompatible, code == notAvailable:
		c = call.NotAcceptable
	case code == noCircuit, code == congestion:
		c = call.Cause{Kind: call.Failed.Kind, Code: 503}
	case code == timerExpired:
		c = call.Timeout
	default:
		c = call.Failed
	}
	if text != "" {
		c = c.Why(text)
	}
	return c
}
