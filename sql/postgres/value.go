package postgres

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/internal/column"
)

// clean returns s as Postgres can hold it: valid UTF-8 without zero bytes.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// split returns the two columns that hold a metric's value.
func split(v float64) (value *float64, nonfinite *string) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		name := contract.Number(v).String()
		return nil, &name
	}
	return &v, nil
}

// optionalJSON returns nil for a nil pointer.
func optionalJSON[T any](v *T) (*string, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // null is what the column holds for nothing
	}
	s, err := column.JSON(v)
	return &s, err
}

func parseOptionalJSON[T any](s *string) (*T, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // no value is what the column says
	}
	v := new(T)
	if err := json.Unmarshal([]byte(*s), v); err != nil {
		return nil, fmt.Errorf("decode %T: %w", v, err)
	}
	return v, nil
}

// optionalText returns nil for the empty string.
func optionalText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// utc puts a time that was read into UTC: the driver gives the machine's zone.
func utc(t *time.Time) {
	if t != nil {
		*t = t.UTC()
	}
}

// blob keeps an empty one from becoming null.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
