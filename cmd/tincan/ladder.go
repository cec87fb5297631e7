package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// The ladder is a trace for people, a message a line; the phone is on the left,
// the server on the right:
//
//	TIME          PHONE                                                   TINCAN  CALL
//	10:00:00.000  192.168.1.20:5060      ── INVITE 102 +sdp ───────────────▶  f81d4fae
//	10:00:00.004  192.168.1.20:5060      ◀─────────── 100 Trying (INVITE) ──  f81d4fae
const (
	ladderTime = "15:04:05.000"
	phoneWidth = 21 // of the longest IPv4 address and port
	arrowWidth = 38
	callWidth  = 10 // signs of a Call-ID: enough to tell calls apart
)

func ladderTitle(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%-*s  %-*s  %*s  %s\n", len(ladderTime), "TIME", phoneWidth, "PHONE", arrowWidth, "TINCAN", "CALL")
	return err
}

// rung writes one message; whole adds its text.
func rung(w io.Writer, m *traced, whole bool) error {
	var b strings.Builder
	if m.Lost > 0 {
		fmt.Fprintf(&b, "%*s  (%s before this not shown: they came too fast)\n", len(ladderTime), "", count(int(m.Lost), "message"))
	}
	line := fmt.Sprintf("%s  %-*s  %s  %s", m.Time.Local().Format(ladderTime),
		phoneWidth, shortAddr(m.Peer), arrow(name(m), m.Out), shorten(m.SIPCallID, callWidth))
	if m.Transport != "udp" {
		line += " " + m.Transport
	}
	b.WriteString(plain(line) + "\n")
	if whole {
		for l := range strings.SplitSeq(strings.TrimRight(m.Text, "\r\n"), "\n") {
			b.WriteString(strings.TrimRight("    "+plain(strings.TrimSuffix(l, "\r")), " ") + "\n")
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func shortAddr(a netip.AddrPort) string {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()).String()
}

// name is what a message is; of IAX2 the first line says it.
func name(m *traced) string {
	if m.Transport == "iax2" {
		first, _, _ := strings.Cut(m.Text, "\n")
		return first
	}
	return label(m.Text)
}

// label is what a message of SIP is, such as INVITE 102 +sdp or 200 OK (INVITE).
func label(text string) string {
	first, _, _ := strings.Cut(text, "\r\n")
	method, rest, _ := strings.Cut(first, " ")
	if method == "SIP/2.0" {
		_, of, _ := strings.Cut(header(text, "CSeq", ""), " ")
		rest += " (" + strings.TrimSpace(of) + ")"
	} else {
		uri, _, _ := strings.Cut(rest, " ")
		rest = strings.TrimSpace(method + " " + uriUser(uri))
	}
	if strings.HasPrefix(strings.ToLower(header(text, "Content-Type", "c")), "application/sdp") {
		rest += " +sdp"
	}
	return rest
}

// arrow draws a label on a line towards who gets the message.
func arrow(label string, toPhone bool) string {
	label = shorten(label, arrowWidth-6)
	line := strings.Repeat("─", arrowWidth-5-utf8.RuneCountInString(label))
	if toPhone {
		return "◀" + line + " " + label + " ──"
	}
	return "── " + label + " " + line + "▶"
}

// shorten cuts s to n signs.
func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
