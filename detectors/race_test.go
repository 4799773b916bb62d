//go:build race

package detectors_test

const raceEnabled = true
