// Package rules compiles rules that people write themselves, as expressions over the
// metrics of a run, into rules that a monitor asks once an epoch.
//
// The language is what is left of github.com/expr-lang/expr when everything is taken away
// that could run long, take memory or give another answer a second time: numbers,
// comparisons, logic, a choice, and the functions of functions.go. There is no loop, no
// text, no list, no clock. docs/rules.md describes it.
package rules
