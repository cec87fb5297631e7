package codec

// Static gives the format that RFC 3551 (tables 4 and 5) assigns to a payload
// type that needs no a=rtpmap. It is false for dynamic, reserved and
// unassigned numbers.
func Static(pt uint8) (Format, bool) {
	f := Format{PT: pt, Clock: 8000, Channels: 1}
	switch pt {
	case 0:
		f.Name = "pcmu"
	case 3:
		f.Name = "gsm"
	case 4:
		f.Name = "g723"
	case 5:
		f.Name = "dvi4"
	case 6:
		f.Name, f.Clock = "dvi4", 16000
	case 7:
		f.Name = "lpc"
	case 8:
		f.Name = "pcma"
	case 9: // sampled at 16000; the clock is an old mistake kept (4.5.2)
		f.Name = "g722"
	case 10:
		f.Name, f.Clock, f.Channels = "l16", 44100, 2
	case 11:
		f.Name, f.Clock = "l16", 44100
	case 12:
		f.Name = "qcelp"
	case 13:
		f.Name = ComfortNoise
	case 14:
		f.Name, f.Clock = "mpa", 90000
	case 15:
		f.Name = "g728"
	case 16:
		f.Name, f.Clock = "dvi4", 11025
	case 17:
		f.Name, f.Clock = "dvi4", 22050
	case 18:
		f.Name = "g729"
	default:
		return staticVideo(pt)
	}
	return f, true
}

func staticVideo(pt uint8) (Format, bool) {
	names := map[uint8]string{
		25: "celb", 26: "jpeg", 28: "nv", 31: "h261", 32: "mpv", 33: "mp2t", 34: "h263",
	}
	name, ok := names[pt]
	return Format{PT: pt, Name: name, Clock: 90000, Channels: 1}, ok
}
