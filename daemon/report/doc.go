// Package report is what a person, or a program, is shown of a diagnosis and of a stored
// run: the JSON that outside tools rely on, and the text of the terminal.
package report
