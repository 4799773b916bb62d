//go:build !race

package notify_test

// raceEnabled says that the race detector makes everything ten times slower.
const raceEnabled = false
