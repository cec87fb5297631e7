package dialplan

import (
	"fmt"
	"strconv"
	"strings"
)

// template is a destination with gaps for the number dialled.
type template struct {
	parts []part
}

// part is a fixed text, then a piece of the number.
type part struct {
	text   string
	gap    bool
	skip   int // signs left out at the start; negative: how many from the end are taken
	length int // how many are taken then; -1: all
}

// trial stands in for the number while a template is checked: long enough that no
// gap of a sane template is empty.
var trial = strings.Repeat("1", maxNumber)

// maxNumber bounds a dialled number and what ${NUMBER:n} may count.
const maxNumber = 64

// parseTemplate reads a destination with ${NUMBER}, ${NUMBER:n} and ${NUMBER:n:m}.
func parseTemplate(text string) (*template, error) {
	t := &template{}
	rest := text
	for {
		before, after, ok := strings.Cut(rest, "${")
		if !ok {
			t.parts = append(t.parts, part{text: rest})
			break
		}
		inside, more, ok := strings.Cut(after, "}")
		if !ok {
			return nil, fmt.Errorf("destination %q has ${ without }", text)
		}
		p, err := parseGap(inside)
		if err != nil {
			return nil, fmt.Errorf("destination %q: %w", text, err)
		}
		p.text = before
		t.parts = append(t.parts, p)
		rest = more
	}
	if _, err := ParseDestination(t.fill(trial)); err != nil {
		return nil, err
	}
	return t, nil
}

func parseGap(inside string) (part, error) {
	field := strings.Split(inside, ":")
	p := part{gap: true, length: -1}
	if field[0] != "NUMBER" || len(field) > 3 {
		return p, fmt.Errorf("${%s} is not known; there is ${NUMBER}, ${NUMBER:n} and ${NUMBER:n:m}", inside)
	}
	for i, into := range []*int{&p.skip, &p.length} {
		if len(field) <= i+1 {
			break
		}
		n, err := strconv.Atoi(field[i+1])
		if err != nil || n > maxNumber || n < -maxNumber || i == 1 && n < 1 {
			return p, fmt.Errorf("${%s} has %q where a count belongs", inside, field[i+1])
		}
		*into = n
	}
	return p, nil
}

// fill puts the number into the gaps.
func (t *template) fill(number string) string {
	if len(t.parts) == 1 {
		return t.parts[0].text
	}
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p.text)
		if p.gap {
			b.WriteString(p.cut(number))
		}
	}
	return b.String()
}

func (p part) cut(number string) string {
	from := p.skip
	if from < 0 {
		from = max(len(number)+from, 0)
	}
	number = number[min(from, len(number)):]
	if p.length >= 0 {
		number = number[:min(p.length, len(number))]
	}
	return number
}

// ref is the object that it names, if that does not depend on the number.
func (t *template) ref() (string, bool) {
	first := t.parts[0]
	if first.gap && !strings.Contains(first.text, "/") {
		return "", false
	}
	d, err := ParseDestination(t.fill(trial))
	return d.Ref(), err == nil
}
