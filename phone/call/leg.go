package call

import (
	"fmt"

	"tincan/phone/media"
	"tincan/phone/media/quality"
)

// Leg is one party's side of a call: a SIP dialog, an IAX2 call, or an
// application inside the server. Its methods never block and may be called
// from any goroutine; what comes of them is told to the Owner as events.
//
// A leg that calls in is given to Exchange.Incoming, then alerted and answered
// or hung up. A leg that is called is made by Router.Dial and reports Ringing,
// then Answered or Ended.
type Leg interface {
	ID() string
	// Own sets who is told of events from now on; nil: nobody.
	Own(Owner)
	// Prepare sets up the media of the answer that Alert or Answer is about to
	// give, so that they are joined before the party can speak. It does nothing to
	// a leg that was answered or is called.
	Prepare(answer media.Description)
	// Renew does the same for the answer that Reply is about to give to Offered.
	Renew(answer media.Description)
	// Alert tells a caller of progress: 180, or 183 with the early answer.
	Alert(code int, early *media.Description)
	// Answer accepts a caller's offer. It is sent once; a leg that was made again
	// after a restart ignores it if the party is known to have it.
	Answer(media.Description)
	// Hangup ends the leg however far it is: refuses, cancels or says goodbye.
	// An Ended event need not follow.
	Hangup(Cause)
	// Offer asks an answered party to change its media: Reanswered or
	// OfferRefused follows.
	Offer(media.Description)
	// Reply answers an Offered event; err refuses the change.
	Reply(answer media.Description, err error)
	// Digit plays a digit to the party in the way that it understands.
	Digit(media.Digit)
	// Flows gives the media by line of the description, nil where a line is
	// refused. They exist from the first description on, until Release.
	Flows() []media.Flow
	// Able is what the party last said that it can take, in its own numbers.
	Able() media.Description
	// Release gives the media back. The call does it once, at the end.
	Release()
	// Quality is how the party's sound has fared since the answer.
	Quality() quality.Account
	// Info is what records and people want to know.
	Info() Info
	// State is what Router.Revive needs to go on with an answered leg after a
	// restart.
	State() []byte
}

// Referrer is a Leg whose party may be another system that can connect its own side
// elsewhere.
type Referrer interface {
	// Refer asks for that; progress is told what comes of it, as Referred's is. It is
	// false if the address is none of that system's.
	Refer(to string, progress func(Cause)) bool
}

// Info describes a leg.
type Info struct {
	Kind   string // "sip", "app"
	Party  string // destination form: extension:101, trunk:load, app:echo
	Number string // that others reach the party by
	Name   string // for people
	Device string // which of the party's devices
	CallID string // the leg's own id on the wire: SIP's Call-ID
	// OurTag and TheirTag tell the dialog apart where CallID does not: SIP's tags.
	OurTag, TheirTag string
	CalledIn         bool   // the party called; false: it was called
	Remote           string // address and transport
	// Treatment is what the party's settings ask for that needs its sound decoded
	// whatever the codecs; "": nothing.
	Treatment string
	// Encryption says, for people, how the party's sound is encrypted; "": not.
	// Unencrypted: it is not, though that was wanted.
	Encryption  string
	Unencrypted bool
	Stats       media.Stats
}

// Owner is told what happens to a leg. Post never blocks.
type Owner interface{ Post(Event) }

// Event is what a leg tells its owner.
type Event interface{ from() Leg }

// The events.
type (
	// Ringing is a provisional answer of a called party, with early media or not.
	Ringing struct {
		Leg   Leg
		Code  int
		Early *media.Description
		// Offered: the party made the offer, of which Early is what was taken: it may
		// be a codec that the caller lacks.
		Offered bool
	}
	// Answered is a called party's answer.
	Answered struct {
		Leg    Leg
		Answer media.Description
		// Offered is as of Ringing.
		Offered bool
	}
	// Offered is a party's wish to change its media; Reply answers it.
	Offered struct {
		Leg   Leg
		Offer media.Description
	}
	// Reanswered is a party's answer to Leg.Offer.
	Reanswered struct {
		Leg    Leg
		Answer media.Description
	}
	// Renewed is a party's answer to the present media, offered at its wish (a
	// re-INVITE without offer).
	Renewed struct {
		Leg    Leg
		Answer media.Description
	}
	// OfferRefused is a party's refusal of Leg.Offer; the media stay as they were.
	OfferRefused struct {
		Leg Leg
		Err error
	}
	// Referred is a party's wish that the other be connected to a number, or, if
	// Replaced is not nil, take the place of that leg, whose owner is Of.
	// Progress tells it what comes of that: codes below 200, then one final.
	Referred struct {
		Leg      Leg
		To       string
		Replaced Leg
		Of       Owner
		Progress func(Cause)
		// Device, if not empty, is the one of To's devices that is meant. Elsewhere, if
		// not empty, is an address that names a device of another system, in the words
		// of the leg's protocol: the other party is asked to see to it, if it is one
		// that can (Referrer).
		Device    string
		Elsewhere string
	}
	// Redirected is a called party's refusal that names numbers to call instead.
	Redirected struct {
		Leg    Leg
		To     []string
		Reason string // as a Diversion has it
	}
	// Picked is a caller that wants the place of a leg; it is told to that leg's
	// owner. EarlyOnly: only if the leg rings still.
	Picked struct {
		Leg       Leg
		By        Leg
		Setup     Setup
		EarlyOnly bool
	}
	// Pressed is a digit that the media could not carry to the other side.
	Pressed struct {
		Leg   Leg
		Digit media.Digit
	}
	// Troubled tells of what users hear of the party, or of it hearing them, that
	// begins or is over.
	Troubled struct {
		Leg     Leg
		Trouble quality.Trouble
	}
	// Silent means that nothing has come from the party for too long.
	Silent struct{ Leg Leg }
	// Changed means that what State gives is worth writing again.
	Changed struct{ Leg Leg }
	// Ended is the end of the leg, by the party or by failure. Written, if not
	// nil, is called once the call's record is kept.
	Ended struct {
		Leg     Leg
		Cause   Cause
		Written func()
	}
)

func (e Ringing) from() Leg      { return e.Leg }
func (e Answered) from() Leg     { return e.Leg }
func (e Offered) from() Leg      { return e.Leg }
func (e Reanswered) from() Leg   { return e.Leg }
func (e Renewed) from() Leg      { return e.Leg }
func (e OfferRefused) from() Leg { return e.Leg }
func (e Referred) from() Leg     { return e.Leg }
func (e Redirected) from() Leg   { return e.Leg }
func (e Picked) from() Leg       { return e.Leg }
func (e Pressed) from() Leg      { return e.Leg }
func (e Troubled) from() Leg     { return e.Leg }
func (e Silent) from() Leg       { return e.Leg }
func (e Changed) from() Leg      { return e.Leg }
func (e Ended) from() Leg        { return e.Leg }

// Cause says why a leg or a call ended. It is an error, so that whatever
// refuses a call can say how.
type Cause struct {
	Kind string // one of the kinds below, as records have it
	Code int    // SIP status that says the same
	Text string // for people; may be empty
	// Again: the party refused what it was offered, before anybody answered; it may
	// take other codecs.
	Again bool
}

func (c Cause) Error() string {
	if c.Text == "" {
		return c.Kind
	}
	return fmt.Sprintf("%s: %s", c.Kind, c.Text)
}

// Why gives the cause with another text.
func (c Cause) Why(text string) Cause {
	c.Text = text
	return c
}

// The causes.
var (
	Normal        = Cause{Kind: "normal", Code: 200}
	Busy          = Cause{Kind: "busy", Code: 486}
	NoAnswer      = Cause{Kind: "no-answer", Code: 480}
	Cancelled     = Cause{Kind: "cancelled", Code: 487}
	Elsewhere     = Cause{Kind: "answered-elsewhere", Code: 200}
	Rejected      = Cause{Kind: "rejected", Code: 603}
	NotFound      = Cause{Kind: "not-found", Code: 404}
	Unregistered  = Cause{Kind: "unreachable", Code: 480, Text: "no device is registered"}
	NotAcceptable = Cause{Kind: "no-common-codec", Code: 488}
	Unencrypted   = Cause{Kind: "unencrypted", Code: 488}
	Loop          = Cause{Kind: "loop", Code: 482}
	TooManyHops   = Cause{Kind: "loop", Code: 483}
	NoPorts       = Cause{Kind: "no-ports", Code: 503, Text: "no free RTP port"}
	Shutdown      = Cause{Kind: "shutdown", Code: 503, Text: "the server is stopping"}
	MediaTimeout  = Cause{Kind: "media-timeout", Code: 480}
	Interrupted   = Cause{Kind: "interrupted", Code: 500}
	Failed        = Cause{Kind: "failed", Code: 500}
	Timeout       = Cause{Kind: "unreachable", Code: 408, Text: "the party does not respond"}
)
