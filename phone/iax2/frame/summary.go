package frame

import (
	"fmt"
	"strconv"
	"strings"
)

// Summary says in a few words what a datagram is, for a trace: "NEW 101 -> 102
// opus,g722". It shows no secret, proof or key; text from the network is
// cleaned as ParseElements does it.
func Summary(b []byte) string {
	switch KindOf(b) {
	case KindFull:
		f, err := ParseFull(b)
		if err != nil {
			return err.Error()
		}
		return f.summary()
	case KindMini:
		return fmt.Sprintf("voice, %d bytes", len(b)-miniHeader)
	case KindMiniVideo:
		return fmt.Sprintf("video, %d bytes", max(0, len(b)-videoHeader))
	case KindTrunk:
		return trunkSummary(b)
	}
	return fmt.Sprintf("%d bytes that are no IAX2 frame", len(b))
}

// Detail is Summary, then a line for the header of a full frame, then one for
// each element: "CALLED NUMBER: "102"". Lines end in "\n" but for the last.
func Detail(b []byte) string {
	f, err := ParseFull(b)
	if err != nil {
		return Summary(b)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%s\ncall %d -> %d, %d ms, sent %d, expects %d", f.summary(), f.Source, f.Dest, f.Time, f.OSeq, f.ISeq)
	if f.Retransmit {
		s.WriteString(", again")
	}
	if f.Type == IAX {
		detailElements(&s, f.Payload)
	}
	return s.String()
}

func detailElements(s *strings.Builder, rest []byte) {
	for len(rest) >= 2 && int(rest[1]) <= len(rest)-2 {
		id, v := rest[0], rest[2:2+int(rest[1])]
		rest = rest[2+len(v):]
		known := byID[id]
		switch {
		case known == nil:
			fmt.Fprintf(s, "\nelement %d: %s", id, showHex(v))
		case known.show == nil:
			fmt.Fprintf(s, "\n%s: *** (%d bytes)", known.name, len(v))
		default:
			fmt.Fprintf(s, "\n%s: %s", known.name, known.show(v))
		}
	}
	if len(rest) > 0 {
		fmt.Fprintf(s, "\ndamaged: %s", showHex(rest[:min(len(rest), 2)]))
	}
}

func (f Full) summary() string {
	s := f.what()
	if f.Retransmit {
		s += " (again)"
	}
	return s
}

func (f Full) what() string {
	switch f.Type {
	case IAX:
		return f.message()
	case ControlFrame:
		return f.Control().String()
	case Voice, Video, Image:
		return fmt.Sprintf("%s %s, %d bytes", f.Type, f.Format(), len(f.Payload))
	case DTMFBegin, DTMFEnd:
		return fmt.Sprintf("%s %s", f.Type, strconv.QuoteRune(rune(f.Subclass&0x7f)))
	}
	return fmt.Sprintf("%s %d, %d bytes", f.Type, f.Subclass, len(f.Payload))
}

// message is a command with what matters most in its elements.
func (f Full) message() string {
	s := f.Command().String()
	e, err := ParseElements(f.Payload)
	if err != nil {
		return s + ": " + err.Error()
	}
	if e.CalledNumber != "" {
		s += strings.TrimRight(" "+e.CallingNumber, " ") + " -> " + e.CalledNumber
	}
	for _, part := range []string{e.wants(), e.Cause} {
		if part != "" {
			s += " " + part
		}
	}
	if e.CauseCode.Present {
		s += fmt.Sprintf(" (%d)", e.CauseCode.Value)
	}
	if f.Is(CallToken) || !e.CallToken.Present {
		return s
	}
	if len(e.CallToken.Value) == 0 {
		return s + " token?"
	}
	return s + " +token"
}

// wants is whom a message is from where it calls nobody, and its formats, in
// the order that they are preferred.
func (e *Elements) wants() string {
	var parts []string
	if e.Username != "" && e.CalledNumber == "" {
		parts = append(parts, e.Username)
	}
	switch {
	case len(e.Preference) > 0:
		parts = append(parts, e.Preference.String())
	case e.Format != 0:
		parts = append(parts, e.Format.String())
	}
	if e.Encryption != 0 {
		parts = append(parts, "encrypted")
	}
	return strings.Join(parts, " ")
}

// String names the formats in their order: "opus,g722".
func (p Preference) String() string {
	names := make([]string, len(p))
	for i, f := range p {
		names[i] = f.String()
	}
	return strings.Join(names, ",")
}

func trunkSummary(b []byte) string {
	t, err := ParseTrunk(b)
	if err != nil {
		return err.Error()
	}
	calls := 0
	for {
		_, more, err := t.Next()
		if err != nil {
			return fmt.Sprintf("trunk, damaged after %d calls: %v", calls, err)
		}
		if !more {
			return fmt.Sprintf("trunk, voice of %d calls, %d bytes", calls, t.Length)
		}
		calls++
	}
}

func showFormats(v []byte) string {
	n, err := decode(v)
	if err != nil {
		return showHex(v)
	}
	return Format(n).String()
}

func showPreference(v []byte) string { return parsePreference(v).String() }

func showAddress(v []byte) string {
	a, err := readAddress(v)
	if err != nil {
		return err.Error()
	}
	return a.String()
}
