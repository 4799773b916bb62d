package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/internal/column"
)

// timeLayout has a fixed width, so that text sorts as time does.
const timeLayout = "2006-01-02T15:04:05.000000Z"

func timeText(t time.Time) string { return t.UTC().Format(timeLayout) }

func optionalTime(t *time.Time) any {
	if t == nil {
		return nil
	}
	return timeText(*t)
}

func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(timeLayout, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("read a time: %w", err)
	}
	return t, nil
}

func parseOptionalTime(s sql.NullString) (*time.Time, error) {
	if !s.Valid {
		return nil, nil //nolint:nilnil // no time is what the column says
	}
	t, err := parseTime(s.String)
	return &t, err
}

// float returns what a column of type ANY holds for f: the number, or the name of what
// is no number.
func float(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return contract.Number(f).String()
	}
	return f
}

func optionalFloat(f *float64) any {
	if f == nil {
		return nil
	}
	return float(*f)
}

func optionalNumber(n *contract.Number) any { return optionalFloat((*float64)(n)) }

var errNoFloat = errors.New("the column holds neither a number nor NaN, Infinity or -Infinity")

// parseFloat is the inverse of optionalFloat.
func parseFloat(v any) (*float64, error) {
	var f float64
	switch v := v.(type) {
	case nil:
		return nil, nil //nolint:nilnil // null is no value
	case float64:
		f = v
	case int64: // written by hand
		f = float64(v)
	case string:
		var n contract.Number
		if err := n.UnmarshalJSON([]byte(`"` + v + `"`)); err != nil {
			return nil, errNoFloat
		}
		f = float64(n)
	default:
		return nil, errNoFloat
	}
	return &f, nil
}

// optionalJSON returns null for a nil pointer.
func optionalJSON[T any](v *T) (any, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // null is what the column holds for nothing
	}
	return column.JSON(v)
}

func parseOptionalJSON[T any](s sql.NullString) (*T, error) {
	if !s.Valid {
		return nil, nil //nolint:nilnil // no value is what the column says
	}
	v := new(T)
	if err := json.Unmarshal([]byte(s.String), v); err != nil {
		return nil, fmt.Errorf("decode %T: %w", v, err)
	}
	return v, nil
}

// optionalText returns null for the empty string.
func optionalText(s string) any {
	if s == "" {
		return nil
	}
	return s
}
