// Package column writes and reads values that both engines keep as JSON text.
package column

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/epochwatch/epochwatch/sql/store"
)

// JSON returns v as text.
func JSON(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return string(b), nil
}

// Gaps returns ranges as text: a list of pairs, both ends included.
func Gaps(gaps []store.SeqRange) (string, error) {
	pairs := make([][2]int64, len(gaps))
	for i, g := range gaps {
		pairs[i] = [2]int64{g.From, g.To}
	}
	return JSON(pairs)
}

// ParseGaps reads what Gaps writes.
func ParseGaps(s string) ([]store.SeqRange, error) {
	var pairs [][2]int64
	if err := json.Unmarshal([]byte(s), &pairs); err != nil {
		return nil, fmt.Errorf("decode gaps: %w", err)
	}
	var gaps []store.SeqRange
	for _, p := range pairs {
		gaps = append(gaps, store.SeqRange{From: p[0], To: p[1]})
	}
	return gaps, nil
}

// News returns a group's news as text.
func News(news []string) (string, error) { return JSON(append([]string{}, news...)) }

// ParseNews reads what News writes; what stands there twice comes once.
func ParseNews(s string) ([]string, error) {
	var all, out []string
	if err := json.Unmarshal([]byte(s), &all); err != nil {
		return nil, fmt.Errorf("decode news: %w", err)
	}
	for _, n := range all {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}
