// Package history reads the epochs of a training out of what Keras leaves behind: its
// console output (Keras 1, 2 and 3: progress bars with carriage returns, backspaces and
// colours, or one line an epoch) and the files of CSVLogger.
//
// It reads streams of any length in bounded memory. A number is taken only where it is
// beyond doubt; a line that is understood in part is counted and said in Log.Skipped.
package history
