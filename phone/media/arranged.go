package media

// Arranged gives d with its lines in the places of another description, which has
// lines of the same kinds in another order, or more or fewer of them: two parties
// that both made an offer need not agree on that. Lines that are in place stay.
func Arranged(d, places Description) Description {
	if fits(d, places) {
		return d
	}
	out := Description{Streams: make([]Stream, len(places.Streams))}
	taken := make([]bool, len(d.Streams))
	for i := range places.Streams {
		out.Streams[i] = refusedCopy(&places.Streams[i])
		of := func(s *Stream, j int) bool {
			return !taken[j] && !s.Refused() && s.Kind == places.Streams[i].Kind && !places.Streams[i].Refused()
		}
		for j := range d.Streams {
			if of(&d.Streams[j], j) {
				out.Streams[i], taken[j] = d.Streams[j], true
				break
			}
		}
	}
	return out
}

// fits reports whether each line that d takes is of the kind in its place.
func fits(d, places Description) bool {
	for i := range d.Streams {
		if !d.Streams[i].Refused() && (i >= len(places.Streams) || places.Streams[i].Kind != d.Streams[i].Kind) {
			return false
		}
	}
	return true
}
