package directory

import "strings"

// Whether ICE is spoken with a party; "": it is answered, and offered to
// browsers.
const (
	ICEAuto   = "auto"
	ICEOff    = "off"
	ICEWanted = "wanted"
)

func ices() []string { return []string{ICEAuto, ICEOff, ICEWanted} }

// normalICE writes the same in one way: the default as nothing.
func normalICE(ice *string) {
	if *ice == ICEAuto {
		*ice = ""
	}
}

// ICE tells whether ICE is spoken with a party, extension:NUMBER or trunk:NAME.
func (s *Snapshot) ICE(party string) string {
	kind, name, _ := strings.Cut(party, ":")
	if e := s.extensions[name]; e != nil && kind == (Extensions{}).Kind() {
		return e.ICE
	}
	if t := s.trunks[name]; t != nil && kind == (Trunks{}).Kind() {
		return t.ICE
	}
	return ""
}
