package frame

import (
	"encoding/hex"
	"fmt"
	"strconv"
)

// maxElement is the longest value of one element: its length is a byte.
const maxElement = 255

// maxElements bounds the elements of one message: the longest that anybody
// sends has about thirty, and variables are few.
const maxElements = 256

// element is one information element: where its value is kept, how it is read
// and written.
type element struct {
	id   byte
	name string
	// read takes the value. The last of repeated ones wins (but for FORMAT and
	// CAPABILITY, of which the first does), as in Asterisk, so that all servers on a
	// call's way understand the same.
	read func(e *Elements, v []byte) error
	// write appends the whole element, or nothing if e has it not.
	write func(dst []byte, e *Elements) []byte
	// show tells people the value; nil where it is a secret, a proof or a key.
	show func(v []byte) string
}

// secret hides an element's value from who watches.
func secret(e element) element {
	e.show = nil
	return e
}

func showText(v []byte) string { return strconv.Quote(clean(v)) }

func showHex(v []byte) string { return hex.EncodeToString(v) }

func showNumber(v []byte) string {
	n, err := decode(v)
	if err != nil {
		return showHex(v)
	}
	return strconv.FormatUint(n, 10)
}

// whole appends an element with the value v, of which what is too long is cut.
func whole(dst []byte, id byte, v []byte) []byte {
	v = v[:min(len(v), maxElement)]
	return append(append(dst, id, byte(len(v))), v...)
}

func length(v []byte, need int) error {
	if len(v) != need {
		return fmt.Errorf("has %d bytes, needs %d", len(v), need)
	}
	return nil
}

func text(id byte, name string, at func(*Elements) *string) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error { *at(e) = clean(v); return nil },
		func(dst []byte, e *Elements) []byte {
			if s := *at(e); s != "" {
				return whole(dst, id, []byte(cut(s)))
			}
			return dst
		},
		showText,
	}
}

func binaryValue(id byte, name string, at func(*Elements) *[]byte) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error { *at(e) = present(v); return nil },
		func(dst []byte, e *Elements) []byte {
			if v := *at(e); len(v) > 0 {
				return whole(dst, id, v)
			}
			return dst
		},
		showHex,
	}
}

// maybeBinary may be empty and present.
func maybeBinary(id byte, name string, at func(*Elements) *Maybe[[]byte]) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error { *at(e) = Some(present(v)); return nil },
		func(dst []byte, e *Elements) []byte {
			if m := at(e); m.Present {
				return whole(dst, id, m.Value)
			}
			return dst
		},
		showHex,
	}
}

type unsigned interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64
}

// number is absent when it is 0. Size is its length in bytes.
func number[T unsigned](id byte, name string, size int, at func(*Elements) *T) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error { return readNumber(v, size, at(e)) },
		func(dst []byte, e *Elements) []byte {
			if *at(e) == 0 {
				return dst
			}
			return writeNumber(dst, id, size, uint64(*at(e)))
		},
		showNumber,
	}
}

// maybe is a number of which 0 has a meaning.
func maybe[T unsigned](id byte, name string, size int, at func(*Elements) *Maybe[T]) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error {
			m := Maybe[T]{Present: true}
			if err := readNumber(v, size, &m.Value); err != nil {
				return err
			}
			*at(e) = m
			return nil
		},
		func(dst []byte, e *Elements) []byte {
			if m := at(e); m.Present {
				return writeNumber(dst, id, size, uint64(m.Value))
			}
			return dst
		},
		showNumber,
	}
}

// reported is one number of a Report, all of which are written together.
func reported[T unsigned](id byte, name string, size int, at func(*Report) *T) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error {
			if err := readNumber(v, size, at(&e.Report.Value)); err != nil {
				return err
			}
			e.Report.Present = true
			return nil
		},
		func(dst []byte, e *Elements) []byte {
			if !e.Report.Present {
				return dst
			}
			return writeNumber(dst, id, size, uint64(*at(&e.Report.Value)))
		},
		showNumber,
	}
}

// flag says all by being there.
func flag(id byte, name string, at func(*Elements) *bool) element {
	return element{
		id, name,
		func(e *Elements, _ []byte) error { *at(e) = true; return nil },
		func(dst []byte, e *Elements) []byte {
			if *at(e) {
				return whole(dst, id, nil)
			}
			return dst
		},
		showHex,
	}
}
