// Package history reads the epochs of a training out of what Keras leaves behind, told apart
// by what is in it, not by its name:
//
//   - console.go: what Keras 1, 2 and 3 print: progress bars with carriage returns,
//     backspaces and colours, or one line an epoch
//   - table.go: the files of CSVLogger
//   - document.go: History.history as JSON or as Python prints it, and epochs as dicts
//   - notebook.go: the outputs of an executed notebook
//   - board.go, folder.go: TensorBoard event files, and log folders of them
//
// It reads streams of any length in bounded memory. A number is taken only where it is
// beyond doubt; a line that is understood in part is counted and said in Log.Skipped.
package history
