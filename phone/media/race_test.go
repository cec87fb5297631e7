//go:build race

package media

// underRace: every sample costs many times what it does otherwise.
const underRace = true
