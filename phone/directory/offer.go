package directory

import "strings"

// Who makes the offer of media when a party is called; "": the server does.
const (
	OfferEarly = "early" // the server, in its INVITE
	OfferLate  = "late"  // the party, in its answer (RFC 3261 13.2.1)
)

func offers() []string { return []string{OfferEarly, OfferLate} }

// normalOffer writes the same in one way: the default as nothing.
func normalOffer(offer *string) {
	if *offer == OfferEarly {
		*offer = ""
	}
}

// OffersLate tells whether a party, extension:NUMBER or trunk:NAME, makes the offer
// when it is called.
func (s *Snapshot) OffersLate(party string) bool {
	kind, name, _ := strings.Cut(party, ":")
	if e := s.extensions[name]; e != nil && kind == (Extensions{}).Kind() {
		return e.Offer == OfferLate
	}
	if t := s.trunks[name]; t != nil && kind == (Trunks{}).Kind() {
		return t.Offer == OfferLate
	}
	return false
}
