// Package history reads the epochs of a training out of what it left behind: the console
// output of Keras 1, 2 and 3, and the tables of CSVLogger.
//
// Reading is streaming and bounded: however long a file, one line of it and the epochs read
// so far are in memory. A line that was understood only in part is counted and said; no
// number is guessed.
package history
