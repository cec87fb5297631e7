package dialplan

import (
	"cmp"
	"fmt"
	"math/bits"
	"strings"
)

// maxPattern bounds a pattern, and with it the work of matching.
const maxPattern = 40

// signs are the characters of numbers, in the order of a set's bits.
const signs = "0123456789*#+"

// set is a set of signs.
type set uint16

const (
	setX set = 1<<10 - 1       // 0-9
	setZ set = setX &^ 1       // 1-9
	setN set = setX &^ (1 | 2) // 2-9
)

// end is what follows the last set of a pattern.
type end uint8

const (
	endHere end = iota // nothing more
	endMore            // `.`: one or more of anything
	endAny             // `!`: anything, or nothing
)

// pattern is a number's pattern in Asterisk's language.
type pattern struct {
	text string
	sets []set
	end  end
}

// parsePattern reads a pattern: digits, *, # and + stand for themselves, X for
// 0-9, Z for 1-9, N for 2-9, [1-5*] for one of those, and at the end . for one or
// more of anything, ! for anything or nothing. A leading _ is allowed, as Asterisk
// wants it for patterns; - is left out, as there.
func parsePattern(text string) (*pattern, error) {
	if len(text) > maxPattern {
		return nil, fmt.Errorf("pattern has more than %d characters", maxPattern)
	}
	p := &pattern{text: text}
	rest := strings.TrimPrefix(text, "_")
	for rest != "" {
		if p.end != endHere {
			return nil, fmt.Errorf("pattern %q goes on after its . or ! sign", text)
		}
		n, err := p.element(rest)
		if err != nil {
			return nil, fmt.Errorf("pattern %q %w", text, err)
		}
		rest = rest[n:]
	}
	if len(p.sets) == 0 && p.end == endHere {
		return nil, fmt.Errorf("pattern %q is empty", text)
	}
	return p, nil
}

// element reads one element and returns its length.
func (p *pattern) element(rest string) (int, error) {
	switch c := rest[0]; c {
	case 'X', 'x':
		p.sets = append(p.sets, setX)
	case 'Z', 'z':
		p.sets = append(p.sets, setZ)
	case 'N', 'n':
		p.sets = append(p.sets, setN)
	case '.':
		p.end = endMore
	case '!':
		p.end = endAny
	case '-':
	case '[':
		inside, _, ok := strings.Cut(rest[1:], "]")
		if !ok {
			return 0, fmt.Errorf("has a [ without ]")
		}
		s, err := parseSet(inside)
		if err != nil {
			return 0, err
		}
		p.sets = append(p.sets, s)
		return len(inside) + 2, nil
	default:
		s, ok := sign(c)
		if !ok {
			return 0, fmt.Errorf("has %q, which no number has", rune(c))
		}
		p.sets = append(p.sets, s)
	}
	return 1, nil
}

func sign(c byte) (set, bool) {
	i := strings.IndexByte(signs, c)
	if i < 0 {
		return 0, false
	}
	return 1 << i, true
}

// parseSet reads what stands between [ and ].
func parseSet(inside string) (s set, err error) {
	for i := 0; i < len(inside); i++ {
		from := strings.IndexByte(signs, inside[i])
		to := from
		if i+2 < len(inside) && inside[i+1] == '-' {
			to = strings.IndexByte(signs, inside[i+2])
			i += 2
		}
		if from < 0 || to < from || to != from && to > 9 {
			return 0, fmt.Errorf("has [%s], which is no set of digits", inside)
		}
		for n := from; n <= to; n++ {
			s |= 1 << n
		}
	}
	if s == 0 {
		return 0, fmt.Errorf("has an empty []")
	}
	return s, nil
}

// match tells whether number fits.
func (p *pattern) match(number string) bool {
	if len(number) < len(p.sets) {
		return false
	}
	for i, s := range p.sets {
		one, ok := sign(number[i])
		if !ok || s&one == 0 {
			return false
		}
	}
	rest := len(number) - len(p.sets)
	switch p.end {
	case endMore:
		return rest > 0
	case endAny:
		return true
	}
	return rest == 0
}

// literal is the one number that the pattern stands for, if it is one.
func (p *pattern) literal() (string, bool) {
	if p.end != endHere {
		return "", false
	}
	number := make([]byte, len(p.sets))
	for i, s := range p.sets {
		if bits.OnesCount16(uint16(s)) != 1 {
			return "", false
		}
		number[i] = signs[bits.TrailingZeros16(uint16(s))]
	}
	return string(number), true
}

// key is the same for two spellings of one pattern.
func (p *pattern) key() string { return fmt.Sprint(p.sets, p.end) }

// compare orders patterns as Asterisk tries them: from the left, at each place the
// one that takes fewer signs first; a pattern that goes on before `.`, and that
// before `!`. Of two with equally many the one with the lower signs.
func (p *pattern) compare(o *pattern) int {
	for i := range max(len(p.sets), len(o.sets)) + 1 {
		a, b := p.weight(i), o.weight(i)
		if c := cmp.Compare(a, b); c != 0 {
			return c
		}
		if i < len(p.sets) && i < len(o.sets) && p.sets[i] != o.sets[i] {
			return cmp.Compare(bits.Reverse16(uint16(o.sets[i])), bits.Reverse16(uint16(p.sets[i])))
		}
	}
	return strings.Compare(p.text, o.text)
}

// weight is how much the pattern takes at place i.
func (p *pattern) weight(i int) int {
	switch {
	case i < len(p.sets):
		return bits.OnesCount16(uint16(p.sets[i]))
	case p.end == endMore:
		return len(signs) + 1
	case p.end == endAny:
		return len(signs) + 2
	}
	return 0
}
