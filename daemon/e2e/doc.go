// Package e2e holds no code of the program: its tests run the real daemon, built from this
// tree, and real Keras trainings, kill them, and hold what was kept against what the
// training printed and what the receivers got.
//
// EPOCHWATCH_PYTHON names a Python with the package epochwatch, Keras and JAX; without it
// .venv is looked for. EPOCHWATCH_KILLS is how often each part is killed (5 by default),
// EPOCHWATCH_SEED the seed of the moments.
package e2e
