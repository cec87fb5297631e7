package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// formatElement is the lower half of a set of formats, as the RFC has it. The
// one of 64 bits wins, whichever comes first.
func formatElement(id byte, name string, at func(*Elements) *Format) element {
	const lower = 0xffffffff
	return element{
		id, name,
		func(e *Elements, v []byte) error {
			var f Format
			if err := readNumber(v, 4, &f); err != nil {
				return err
			}
			if *at(e) == 0 {
				*at(e) = f
			}
			return nil
		},
		func(dst []byte, e *Elements) []byte {
			if *at(e) == 0 {
				return dst
			}
			return writeNumber(dst, id, 4, uint64(*at(e)&lower))
		},
		showFormats,
	}
}

// formatElement64 is the whole set:
//
//	+-------------+------------------------+
//	| version = 0 |  64 bits of formats    |
//	+-------------+------------------------+
//
// What another version means nobody has said: it is skipped.
func formatElement64(id byte, name string, at func(*Elements) *Format) element {
	return element{
		id, name,
		func(e *Elements, v []byte) error {
			if len(v) == 0 {
				return length(v, 9)
			}
			if v[0] != 0 {
				e.Skipped++
				return nil
			}
			return readNumber(v[1:], 8, at(e))
		},
		func(dst []byte, e *Elements) []byte {
			if *at(e) == 0 {
				return dst
			}
			return binary.BigEndian.AppendUint64(append(dst, id, 9, 0), uint64(*at(e)))
		},
		func(v []byte) string { return showFormats(v[min(1, len(v)):]) },
	}
}

func readPreference(e *Elements, v []byte) error {
	e.Preference = parsePreference(v)
	return nil
}

func writePreference(dst []byte, e *Elements) []byte {
	if p := appendPreference(nil, e.Preference); len(p) > 0 {
		return whole(dst, idPreference, p)
	}
	return dst
}

func readHold(e *Elements, v []byte) error {
	e.Hold = Some(clean(v))
	return nil
}

func writeHold(dst []byte, e *Elements) []byte {
	if !e.Hold.Present {
		return dst
	}
	return whole(dst, idHold, []byte(cut(e.Hold.Value)))
}

func readApparent(e *Elements, v []byte) (err error) {
	e.ApparentAddress, err = readAddress(v)
	return err
}

func writeApparent(dst []byte, e *Elements) []byte {
	if !e.ApparentAddress.IsValid() {
		return dst
	}
	return writeAddress(dst, idAddress, e.ApparentAddress)
}

// readLoss: percent in the upper byte, the count in the others (8.6).
func readLoss(e *Elements, v []byte) error {
	var n uint32
	if err := readNumber(v, 4, &n); err != nil {
		return err
	}
	e.Report.Present = true
	e.Report.Value.LossPercent, e.Report.Value.Lost = uint8(n>>24), n&0xffffff
	return nil
}

func writeLoss(dst []byte, e *Elements) []byte {
	if !e.Report.Present {
		return dst
	}
	r := e.Report.Value
	return writeNumber(dst, idLoss, 4, uint64(r.LossPercent)<<24|uint64(min(r.Lost, 0xffffff)))
}

// readVariable: "name=value". A value is continued by a next element of the
// same name; it is cleaned when whole, since a piece may end in a character.
func readVariable(e *Elements, v []byte) error {
	s, _, _ := strings.Cut(string(v), "\x00")
	name, value, _ := strings.Cut(s, "=")
	name = clean([]byte(name))
	if last := len(e.Variables) - 1; last >= 0 && e.Variables[last].Name == name {
		e.Variables[last].Value += value
		return nil
	}
	e.Variables = append(e.Variables, Variable{name, value})
	return nil
}

func writeVariables(dst []byte, e *Elements) []byte {
	for _, v := range e.Variables {
		room := maxElement - len(v.Name) - len("=")
		if room <= 0 || v.Value == "" {
			dst = whole(dst, idVariable, []byte(v.Name))
			continue
		}
		for value := v.Value; value != ""; {
			piece := value[:min(room, len(value))]
			dst = whole(dst, idVariable, []byte(v.Name+"="+piece))
			value = value[len(piece):]
		}
	}
	return dst
}

// ospBlock is how much of a token one element holds, after a byte that counts
// the elements from 0; ospBlocks is how many there may be.
const (
	ospBlock  = maxElement - 1
	ospBlocks = 4
)

func readOSP(e *Elements, v []byte) error {
	if len(v) == 0 {
		return errors.New("has no block number")
	}
	if block := int(v[0]); block >= ospBlocks || block*ospBlock != len(e.OSPToken) {
		return fmt.Errorf("block %d after %d bytes: not in order", block, len(e.OSPToken))
	}
	e.OSPToken = append(e.OSPToken, v[1:]...)
	return nil
}

func writeOSP(dst []byte, e *Elements) []byte {
	for block, rest := 0, e.OSPToken; len(rest) > 0 && block < ospBlocks; block++ {
		piece := rest[:min(ospBlock, len(rest))]
		dst = whole(dst, idOSP, append([]byte{byte(block)}, piece...))
		rest = rest[len(piece):]
	}
	return dst
}
