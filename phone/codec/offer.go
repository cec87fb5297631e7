package codec

import "slices"

// Offered are the formats in which this build can speak with a party, the best
// sounding first, with the payload types that RFC 3551 gives them and dynamic
// ones for the others. L16 is not among them: it is for machines that ask.
func Offered() []Format {
	formats := []Format{
		{PT: 96, Name: "opus", Clock: 48000, Channels: 2, Fmtp: "minptime=10;useinbandfec=1"},
		{PT: 9, Name: "g722", Clock: 8000, Channels: 1},
		{PT: 8, Name: "pcma", Clock: 8000, Channels: 1},
		{PT: 0, Name: "pcmu", Clock: 8000, Channels: 1},
		{PT: 3, Name: "gsm", Clock: 8000, Channels: 1},
		{PT: 97, Name: "speex", Clock: 16000, Channels: 1},
		{PT: 98, Name: "speex", Clock: 8000, Channels: 1},
		{PT: 18, Name: "g729", Clock: 8000, Channels: 1, Fmtp: "annexb=no"},
	}
	made := Made()
	return slices.DeleteFunc(formats, func(f Format) bool { return !slices.Contains(made, f.Name) })
}
