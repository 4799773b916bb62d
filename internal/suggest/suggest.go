// Package suggest says which of the known words was meant by one that is not among them.
package suggest

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Known is the end of an error about an unknown word: the known one that is at most two slips
// away, or, where there is none, all of them.
func Known(word string, known iter.Seq[string]) string {
	names := slices.Sorted(known)
	best, distance := "", 3 // two slips at most
	for _, n := range names {
		if d := edits(strings.ToLower(word), n); d < distance && d < len(n) {
			best, distance = n, d
		}
	}
	if best != "" {
		return fmt.Sprintf(", did you mean %q?", best)
	}
	return ", known here: " + strings.Join(names, ", ")
}

// edits counts the letters to put in, take out or change between two short words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
