//go:build race

package secure

// raceDetector tells that pools are emptied at random, so that allocations are
// not counted.
const raceDetector = true
