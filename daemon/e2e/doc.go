// Package e2e holds no code of the program: its tests run the real daemon, built from this
// tree, and real Keras trainings, kill them, and hold what was kept against what the
// training printed and what the receivers got. Where only messages are looked at, a stand-in
// speaks for the training.
//
// EPOCHWATCH_PYTHON names a Python with the package epochwatch, Keras and JAX; without it
// .venv is looked for. EPOCHWATCH_KILLS is how often each part is killed: 5 by default, and
// above that a delivery is cut off at every step, not at those alone that differ most.
// EPOCHWATCH_SEED is the seed of the moments.
package e2e
