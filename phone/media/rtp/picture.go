package rtp

import "encoding/binary"

const formatPLI = 1 // of PSFB (RFC 4585 6.3.1)

// AppendPictureLoss adds to b what asks for a whole picture: a receiver report of
// nothing, as a compound packet begins with one (RFC 3550 6.1), and a picture loss
// indication (RFC 4585 6.3.1) of sender on target's stream.
func AppendPictureLoss(b []byte, sender, target uint32) []byte {
	start := len(b)
	b = append(b, version, typeRR, 0, 0)
	b = closed(binary.BigEndian.AppendUint32(b, sender), start)
	start = len(b)
	b = append(b, version|formatPLI, typePSFB, 0, 0)
	b = binary.BigEndian.AppendUint32(b, sender)
	return closed(binary.BigEndian.AppendUint32(b, target), start)
}
