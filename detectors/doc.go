// Package detectors reads the epochs of a run and says what is wrong with it.
//
// Everything here is pure: no I/O, no clock, no goroutine, no randomness. A finding
// is a function of the epochs folded so far and of the clock readings handed in, so
// that replaying a run gives the findings it gave live, and no finding depends on an
// epoch after the one it fired at.
//
// A [Monitor] holds one run: it folds epochs in training order through every enabled
// detector and keeps the findings. One detector is one file: its spec (what it means,
// its parameters with unit, default and source), a small state, and a decision that
// names its reason.
package detectors
