package dialplan

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDestination bounds a destination's text: names have 64 letters, and a SIP
// user part seldom more.
const maxDestination = 256

// Destination is where a call goes, written kind:name or kind:name/rest:
// extension:101, trunk:load/9000, app:echo.
type Destination struct {
	Kind string // a-z and -, such as "extension"
	Name string // which of them
	Rest string // what the kind makes of it: the number to call by a trunk
}

// String is what ParseDestination reads.
func (d Destination) String() string {
	if d.Rest != "" {
		return d.Kind + ":" + d.Name + "/" + d.Rest
	}
	return d.Kind + ":" + d.Name
}

// Ref is the object that it names, without Rest.
func (d Destination) Ref() string { return d.Kind + ":" + d.Name }

// ParseDestination reads kind:name[/rest]. Name has no slash, no part is empty,
// and there are neither spaces nor control characters.
func ParseDestination(text string) (Destination, error) {
	kind, more, ok := strings.Cut(text, ":")
	name, rest, slash := strings.Cut(more, "/")
	switch {
	case !ok || kind == "" || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz-") != "":
		return Destination{}, fmt.Errorf("%q is not a destination kind:name", text)
	case name == "":
		return Destination{}, fmt.Errorf("destination %q has no name after %q", text, kind)
	case slash && rest == "":
		return Destination{}, fmt.Errorf("destination %q has nothing after the slash", text)
	case len(text) > maxDestination:
		return Destination{}, fmt.Errorf("a destination has more than %d bytes", maxDestination)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unfit):
		return Destination{}, fmt.Errorf("destination %q has a space or a control character", text)
	}
	return Destination{Kind: kind, Name: name, Rest: rest}, nil
}

// unfit are the characters that have no place in a SIP URI's user part unescaped
// and would break a line in a list.
func unfit(r rune) bool { return r <= ' ' || r == 0x7f }
