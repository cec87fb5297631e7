package frame

import (
	"fmt"
)

// ParseElements reads the payload of a frame of Type IAX. Elements that nobody
// has defined are skipped. It errs when an element ends beyond the payload or
// has another length than its kind, when there are more than 256, and when a
// byte is left over; the message should then be ignored as a whole (RFC 5456 7).
func ParseElements(b []byte) (Elements, error) {
	var e Elements
	for n, rest := 0, b; len(rest) > 0; n++ {
		if n == maxElements {
			return Elements{}, fmt.Errorf("iax2: more than %d elements", maxElements)
		}
		if len(rest) < 2 || int(rest[1]) > len(rest)-2 {
			return Elements{}, cutShort(b, rest)
		}
		id, v := rest[0], rest[2:2+int(rest[1])]
		rest = rest[2+len(v):]
		if err := e.take(id, v); err != nil {
			return Elements{}, err
		}
	}
	for i, v := range e.Variables { // joined by now
		e.Variables[i].Value = clean([]byte(v.Value))
	}
	return e, nil
}

func (e *Elements) take(id byte, v []byte) error {
	known := byID[id]
	if known == nil {
		e.Skipped++
		return nil
	}
	if err := known.read(e, v); err != nil {
		return fmt.Errorf("iax2: element %s (%d): %w", known.name, id, err)
	}
	return nil
}

func cutShort(b, rest []byte) error {
	at := len(b) - len(rest)
	if len(rest) < 2 {
		return fmt.Errorf("%w: element %d at byte %d has no length", ErrShort, rest[0], at)
	}
	return fmt.Errorf("%w: element %d at byte %d announces %d bytes, %d are left",
		ErrShort, rest[0], at, rest[1], len(rest)-2)
}

// Append writes the elements that are there, in an order of its own. Text that
// is too long for an element is cut.
func (e *Elements) Append(dst []byte) []byte {
	for i := range table {
		dst = table[i].write(dst, e)
	}
	return dst
}
