package sip

// Kept says what a server holds beside what its methods count, for tests that ask
// whether anything is left.
func (s *Server) Kept() (legs, guests, merges, nonces int) {
	s.mu.Lock()
	legs, guests, merges = len(s.legs), len(s.guests), len(s.merges)
	s.mu.Unlock()
	s.nonces.mu.Lock()
	defer s.nonces.mu.Unlock()
	return legs, guests, merges, len(s.nonces.used)
}
